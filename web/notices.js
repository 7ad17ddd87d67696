// Shows on a Ditto node what it noticed while it ran: the engine `auto` took, frames without a face, …

import { app } from "../../scripts/app.js";
import { ComfyWidgets } from "../../scripts/widgets.js";

const WIDGET = "notices";
const PREVIEW_WIDGET = "$$canvas-image-preview";
const PICTURES = [PREVIEW_WIDGET, "video-preview"];
const HEIGHT = 68; // three lines, at least
const LINE = 16; // height of a line and width of a letter, both rather too large
const LETTER = 6.5;
const REPORTS = ["DittoDownload", "DittoConvertTensorRT"]; // what they say is what they are for

// A report is seen whole; another text when the user makes its node larger.
function leastHeight(node, text) {
  if (!REPORTS.includes(node.type)) return HEIGHT;
  const letters = Math.max(1, (node.size[0] - 40) / LETTER);
  const rows = text.split("\n").map((line) => Math.max(1, Math.ceil(line.length / letters)));
  return Math.max(HEIGHT, LINE * (rows.reduce((sum, count) => sum + count) + 1));
}

function showsPicture(node) {
  return node.widgets.some((widget) => PICTURES.includes(widget.name));
}

function addNoticeWidget(node) {
  const { widget } = ComfyWidgets.STRING(node, WIDGET, ["STRING", { multiline: true }], app);
  widget.inputEl.readOnly = true;
  widget.inputEl.style.opacity = 0.7;
  widget.options.getMinHeight = () => leastHeight(node, widget.value);
  // What is left of the node's height is the picture's where there is one.
  widget.options.getMaxHeight = () => (showsPicture(node) ? HEIGHT : undefined);
  // Neither part of the saved workflow nor of what is run.
  widget.serialize = false;
  widget.options.serialize = false;
  // Above the preview of the frame being rendered, which takes all the height that is left.
  const preview = node.widgets.findIndex((other) => other.name === PREVIEW_WIDGET);
  if (preview >= 0) node.widgets.splice(preview, 0, node.widgets.pop());
  return widget;
}

function show(node, notices) {
  const text = notices?.join("\n").trim() ?? "";
  const existing = node.widgets?.find((widget) => widget.name === WIDGET);
  if (!text) {
    if (existing) node.removeWidget(existing);
    return;
  }
  (existing ?? addNoticeWidget(node)).value = text;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, node.size[0]), Math.max(height, node.size[1])]);
}

app.registerExtension({
  name: "Ditto.Notices",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.category.split("/")[0] !== "Ditto") return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      show(this, output?.text);
    };
  },
});
