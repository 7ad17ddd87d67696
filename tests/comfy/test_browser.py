"""The pack in ComfyUI's front end, in a real browser."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.comfy_server import PACK, ROOT, ComfyServer, Graph
from helpers.stub_host import StubHost, api_form
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
LOAD = "async workflow => { await app.loadGraphData(workflow) }"
RUN = """() => new Promise(done => {
    window.livePreviews = 0;
    app.api.addEventListener('b_preview', () => window.livePreviews++);
    app.api.addEventListener('execution_success', () => done('success'));
    app.api.addEventListener('execution_error', event => done(JSON.stringify(event.detail)));
    setTimeout(() => done('timeout'), 600000);
    app.queuePrompt(0, 1).then(() => {
        const errors = app.lastNodeErrors ?? {};
        if (Object.keys(errors).length) done(JSON.stringify(errors));
    });
})"""
BOXES = "() => app.graph._nodes.map(node => [node.title, ...node.getBounding()])"
SAVED = "() => JSON.stringify(app.graph.serialize().nodes.map(node => node.widgets_values ?? []))"
NOTICES = """() => app.graph._nodes.flatMap(node => node.widgets ?? [])
    .filter(widget => widget.name === 'notices').map(widget => widget.value)"""
BOXES_OF_TEXT = """() => app.graph._nodes.flatMap(node => node.widgets ?? [])
    .filter(widget => widget.name === 'notices')
    .map(({ inputEl: box, computedHeight }) => [box.clientHeight, box.scrollHeight, computedHeight])"""
SHOW_ALL = """() => {
    const boxes = app.graph._nodes.map(node => node.getBounding());
    const left = Math.min(...boxes.map(b => b[0])), right = Math.max(...boxes.map(b => b[0] + b[2]));
    const top = Math.min(...boxes.map(b => b[1])), bottom = Math.max(...boxes.map(b => b[1] + b[3]));
    app.canvas.ds.scale = Math.min(1400 / (right - left), 780 / (bottom - top));
    app.canvas.ds.offset = [80 / app.canvas.ds.scale - left, 90 / app.canvas.ds.scale - top];
    app.graph.setDirtyCanvas(true, true);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: install it or set CHROMIUM to its path")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture
def page(server: ComfyServer, browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    context.set_default_timeout(120_000)  # 30 s are not enough where other programs run as well
    page = context.new_page()
    page.complaints = []
    page.on(
        "console", lambda message: page.complaints.append(message.text) if "Ditto" in message.text else None
    )
    page.goto(server.url)
    page.wait_for_function("() => window.app && window.app.vueAppReady")
    yield page
    context.close()


def toasts(page: Any) -> list[str]:
    return page.locator(".p-toast-message").all_inner_texts()


def overlapping(boxes: list[tuple[str, float, float, float, float]]) -> list[tuple[str, str]]:
    return [
        (a[0], b[0])
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if a[1] < b[1] + b[3] and b[1] < a[1] + a[3] and a[2] < b[2] + b[4] and b[2] < a[2] + a[4]
    ]


def test_every_workflow_loads_as_it_is(page: Any, tmp_path: Path) -> None:
    host = StubHost(tmp_path)
    for path in sorted((ROOT / "workflows").glob("*.json")):
        saved = json.loads(path.read_text())
        page.evaluate(LOAD, saved)
        assert toasts(page) == [], path.stem
        sent = json.loads(page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))
        inputs = {key: node["inputs"] for key, node in sent.items()}
        meant = {key: node["inputs"] for key, node in api_form(saved, host).items()}
        assert inputs == meant, path.stem
        assert overlapping(page.evaluate(BOXES)) == [], path.stem
    assert page.complaints == []
    host.close()


@pytest.mark.parametrize("workflow", ["quick_start", "stages", "frame_level_control"], indirect=True)
def test_a_workflow_loads_runs_and_shows_its_video(
    server: ComfyServer, page: Any, workflow: dict[str, Any], graph: Graph, tmp_path: Path
) -> None:
    server.forget()
    page.evaluate(LOAD, workflow)
    assert toasts(page) == []
    assert page.evaluate("() => app.graph._nodes.every(node => node.type in LiteGraph.registered_node_types)")
    sent = json.loads(page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))
    assert {
        key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in sent.items()
    } == graph
    assert overlapping(page.evaluate(BOXES)) == []
    before = page.evaluate(SAVED)

    assert page.evaluate(RUN) == "success"
    page.evaluate(SHOW_ALL)
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    page.wait_for_timeout(500)
    assert page.evaluate("() => document.querySelector('video').duration") > 1
    page.screenshot(path=str(tmp_path / "page.png"))
    shot = tmp_path / "video.png"
    page.locator("video").screenshot(path=str(shot))
    assert np.asarray(Image.open(shot).convert("L")).std() > 20, "the video's place is empty"

    assert page.evaluate("() => window.livePreviews") > 0
    assert any("Lite" in notice for notice in page.evaluate(NOTICES))
    assert page.evaluate(SAVED) == before, "what is shown on a node must not become part of the workflow"
    assert overlapping(page.evaluate(BOXES)) == []
    assert toasts(page) == []
    assert page.complaints == []


def test_a_notice_goes_when_there_is_nothing_to_say(page: Any, server: ComfyServer) -> None:
    server.forget()
    engine = {"class_type": "DittoLoadEngine", "inputs": {"engine": "auto"}}
    shown = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    page.evaluate("graph => app.loadApiJson(graph, 'engine')", {"1": engine, "2": shown})
    assert page.evaluate(RUN) == "success"
    assert len(page.evaluate(NOTICES)) == 1
    page.evaluate("() => { app.graph.getNodeById(1).widgets[0].value = 'lite' }")
    assert page.evaluate(RUN) == "success"
    assert page.evaluate(NOTICES) == []


def test_a_report_is_seen_whole_and_a_notice_grows_with_its_node(page: Any, server: ComfyServer) -> None:
    server.forget()
    inputs = {"files": "ditto-pytorch", "download": False, "endpoint": ""}
    page.evaluate(
        "graph => app.loadApiJson(graph, 'files')", {"1": {"class_type": "DittoDownload", "inputs": inputs}}
    )
    assert page.evaluate(RUN) == "success"
    page.wait_for_timeout(500)
    ((shown, needed, _),) = page.evaluate(BOXES_OF_TEXT)
    assert shown >= needed > 100

    engine = {"class_type": "DittoLoadEngine", "inputs": {"engine": "auto"}}
    told = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
    page.evaluate("graph => app.loadApiJson(graph, 'engine')", {"1": engine, "2": told})
    assert page.evaluate(RUN) == "success"
    page.evaluate(
        """() => {
            const node = app.graph.getNodeById(1);
            node.setSize([node.size[0], 600]);
            app.graph.setDirtyCanvas(true, true);
        }"""
    )
    page.wait_for_timeout(500)
    ((_, _, height),) = page.evaluate(BOXES_OF_TEXT)
    assert height > 300


@pytest.mark.parametrize(("name", "node"), [("quick_start", "DittoTalkingHead"), ("stages", "DittoWarp3D")])
def test_the_template_browser_opens_a_workflow(page: Any, name: str, node: str) -> None:
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(PACK, exact=True).first.click()
    page.get_by_placeholder("Search").fill(name)
    page.get_by_text(name, exact=True).first.click()
    page.wait_for_function("node => app.graph._nodes.some(other => other.type === node)", arg=node)
    assert toasts(page) == []


def test_a_help_page_is_shown(page: Any) -> None:
    page.evaluate(LOAD, json.loads((ROOT / "workflows" / "quick_start.json").read_text()))
    page.evaluate(
        """() => {
            const node = app.graph._nodes.find(node => node.type === 'DittoTalkingHead');
            app.canvas.selectNode(node);
        }"""
    )
    page.get_by_test_id("info-button").or_(page.locator(".help-button")).first.click()
    page.get_by_text("What works well").wait_for()
