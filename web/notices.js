// Shows on a Ditto node what it noticed while it ran: the engine `auto` took, frames without a face, …

import { app } from "../../scripts/app.js";
import { ComfyWidgets } from "../../scripts/widgets.js";

const WIDGET = "notices";

function noticeWidget(node) {
  const existing = node.widgets?.find((widget) => widget.name === WIDGET);
  if (existing) return existing;
  const { widget } = ComfyWidgets.STRING(node, WIDGET, ["STRING", { multiline: true }], app);
  widget.inputEl.readOnly = true;
  widget.inputEl.style.opacity = 0.7;
  // Neither part of the saved workflow nor of what is run.
  widget.serialize = false;
  widget.options.serialize = false;
  return widget;
}

function show(node, notices) {
  const text = notices?.join("\n").trim() ?? "";
  if (!text && !node.widgets?.some((widget) => widget.name === WIDGET)) return;
  noticeWidget(node).value = text;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, node.size[0]), Math.max(height, node.size[1])]);
}

app.registerExtension({
  name: "Ditto.Notices",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.category.startsWith("Ditto")) return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      show(this, output?.text);
    };
  },
});
