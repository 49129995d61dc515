/* SPDX-License-Identifier: MIT */
/*
 * One slide in OpenSeadragon. The id is in the address (viewer/ID/), the plane in its query
 * (?z=2&frame=1), and maybe what lets whoever has the address see the slide (?sig=...).
 * Everything else comes from the API. window.viewer is the OpenSeadragon viewer, for
 * scripts and tests.
 */
import { ApiError, element, facts, get, getJSON, isSigned, make, notice, sentence, trouble,
	url, versioned } from "./common.js";
import { show as showScale } from "./scalebar.js";

const OpenSeadragon = window.OpenSeadragon;
const ZOOM_STEP = 1.5;
const NAVIGATOR_MIN_WIDTH = 600; /* of the window, CSS pixels */

const page = { image: null, plane: { z: 1, frame: 1 }, viewer: null, opening: 0 };

const idOf = (path) => path.match(/\/viewer\/(\d+)\/?$/)?.[1];
const status = (text) => {
	element("status").textContent = text;
};

/* OpenSeadragon puts a <style> into the page unless there is one with this mark; our content
 * security policy forbids inline style, and style.css has the rule anyway. An element of
 * another namespace carries the mark and no style. */
function forbidInlineStyle() {
	const mark = document.createElementNS("urn:slidecache", "style");
	mark.setAttribute("data-openseadragon-mobile-css", "true");
	document.head.append(mark);
}

function makeViewer() {
	forbidInlineStyle();
	const viewer = OpenSeadragon({
		element: element("stage"),
		prefixUrl: url("static/openseadragon/images/"),
		showNavigationControl: false,
		showNavigator: window.innerWidth >= NAVIGATOR_MIN_WIDTH,
		navigatorPosition: "TOP_RIGHT",
		navigatorSizeRatio: 0.16,
		navigatorMaintainSizeRatio: true,
		navigatorBackground: "transparent",
		navigatorAutoFade: false,
		navigatorOpacity: 1,
		navigatorBorderColor: "transparent",
		navigatorDisplayRegionColor: "#c0369b",
		drawer: ["webgl", "canvas"],
		maxZoomPixelRatio: 4,
		minZoomImageRatio: 0.7,
		visibilityRatio: 0.3,
		preserveViewport: true, /* another plane keeps place and zoom */
		animationTime: 0.5,
		blendTime: 0.1,
		gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
		imageLoaderLimit: 6,
		tileRetryMax: 2,
		tileRetryDelay: 1000,
	});
	viewer.canvas.setAttribute("role", "application");
	viewer.canvas.setAttribute("aria-label", "Slide: arrow keys move, plus and minus zoom");
	for (const event of ["open", "animation", "animation-finish", "resize", "update-viewport"])
		viewer.addHandler(event, updateScale);
	viewer.addHandler("open", opened);
	viewer.addHandler("tile-load-failed", tileFailed);
	viewer.addHandler("canvas-key", ownKeys);
	return viewer;
}

function updateScale() {
	const item = page.viewer?.world.getItemAt(0);
	if (item)
		showScale(page.image, item.viewportToImageZoom(page.viewer.viewport.getZoom(true)));
}

/*
 * The Deep Zoom document is read here and not by OpenSeadragon, which carries the query (the
 * version) from the document's address to the tiles' only where the address ends in .dzi,
 * and which would say no more of an error than its number.
 */
async function tileSource({ z, frame }) {
	const path = `images/image/${page.image.id}/${z}/${frame}/tile`;
	const address = versioned(`${path}/`, page.image);
	const response = await get(address);
	const text = await response.text();
	const root = new DOMParser().parseFromString(text, "application/xml").documentElement;
	const size = root.querySelector("Size");
	if (root.localName !== "Image" || !size)
		throw new ApiError("The slide's description is not a Deep Zoom document.", 200);
	const number = (node, name) => Number(node.getAttribute(name));
	return new OpenSeadragon.DziTileSource({
		width: number(size, "Width"),
		height: number(size, "Height"),
		tileSize: number(root, "TileSize"),
		tileOverlap: number(root, "Overlap"),
		fileFormat: root.getAttribute("Format"),
		tilesUrl: url(`${path}_files/`),
		queryParams: new URL(address).search,
	});
}

async function open() {
	const turn = ++page.opening;
	try {
		const source = await tileSource(page.plane);
		if (turn !== page.opening)
			return; /* another plane was chosen meanwhile */
		notice("");
		if (page.viewer.world.getItemCount())
			page.viewer.addTiledImage({ tileSource: source, index: 0, replace: true,
				success: opened });
		else
			page.viewer.open(source);
	} catch (error) {
		if (turn === page.opening)
			fail(error.message, open);
	}
}

function opened() {
	status("");
	updateScale();
	for (const id of ["zoom-in", "zoom-out", "home", "full", "rotate"])
		element(id).disabled = false;
	if (document.activeElement === document.body)
		page.viewer.canvas.focus({ preventScroll: true, focusVisible: false });
}

function fail(text, retry) {
	status("");
	notice(text, retry);
}

/* Asks for one failed tile again, only to learn the reason, and says it once. */
async function tileFailed(event) {
	if (!element("notice").hidden)
		return;
	notice("Some parts of the slide cannot be loaded.", reload);
	try {
		await get(event.tile.getUrl());
	} catch (error) {
		notice(`Some parts of the slide cannot be loaded. ${error.message}`, reload);
	}
}

/* The image may have a new version by now. */
async function reload() {
	try {
		await describe(page.image.id);
		await open();
	} catch (error) {
		fail(error.message, reload);
	}
}

const isOpen = () => Boolean(page.viewer?.world.getItemCount());
const oneToOne = () => {
	const item = page.viewer.world.getItemAt(0);
	page.viewer.viewport.zoomTo(item.imageToViewportZoom(1));
};
const zoomBy = (factor) => {
	page.viewer.viewport.zoomBy(factor);
	page.viewer.viewport.applyConstraints();
};
const rotateBy = (degrees) => {
	const { viewport } = page.viewer;
	viewport.setRotation(viewport.getRotation() + degrees);
};

function toggleScreen() {
	if (document.fullscreenElement)
		document.exitFullscreen();
	else
		element("viewing").requestFullscreen?.().catch(() => status("No full screen here."));
}

const buttons = {
	"zoom-in": () => zoomBy(ZOOM_STEP),
	"zoom-out": () => zoomBy(1 / ZOOM_STEP),
	home: () => page.viewer.viewport.goHome(),
	full: oneToOne,
	rotate: () => rotateBy(90),
	screen: toggleScreen,
	help: () => element("keys").showModal(),
};

/* Keys of the whole page; and those that OpenSeadragon knows too, while its canvas has the
 * focus, and that are ours elsewhere (on a button that was just clicked, say). */
const keys = {
	1: () => isOpen() && oneToOne(),
	f: toggleScreen,
	"?": buttons.help,
	PageUp: () => step("z", 1),
	PageDown: () => step("z", -1),
};
const canvasKeys = {
	"+": () => zoomBy(ZOOM_STEP),
	"=": () => zoomBy(ZOOM_STEP),
	"-": () => zoomBy(1 / ZOOM_STEP),
	0: buttons.home,
	r: (event) => rotateBy(event.shiftKey ? -90 : 90),
};

/* OpenSeadragon's F mirrors the slide, which nobody would notice, and its J and K leave it. */
function ownKeys(event) {
	if (["KeyF", "KeyJ", "KeyK"].includes(event.originalEvent.code))
		event.preventDefaultAction = true;
}

function actionOf(event) {
	const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
	const onCanvas = event.target.closest?.(".openseadragon-canvas");
	return keys[key] ?? (isOpen() && !onCanvas ? canvasKeys[key] : undefined);
}

function pressed(event) {
	const action = actionOf(event);
	if (!action || event.ctrlKey || event.altKey || event.metaKey || element("keys").open)
		return;
	if (event.target.matches?.("input") && event.key.startsWith("Page"))
		return; /* the slider has these keys itself */
	event.preventDefault();
	action(event);
}

/* One slider for the z planes, one for the frames; none where there is only one. */
function planeControl(axis, label, most) {
	const value = make("output", { htmlFor: `plane-${axis}` });
	const slider = make("input", { type: "range", id: `plane-${axis}`, min: 1, max: most,
		step: 1, value: page.plane[axis] });
	const write = () => {
		value.textContent = `${slider.value}/${most}`;
	};
	slider.addEventListener("input", write);
	slider.addEventListener("input", () => choose(axis, Number(slider.value)));
	write();
	return make("div", { className: "plane" },
		make("label", { htmlFor: slider.id }, label), slider, value);
}

function step(axis, by) {
	const slider = element(`plane-${axis}`);
	if (!slider)
		return;
	slider.value = Number(slider.value) + by;
	slider.dispatchEvent(new Event("input"));
}

function choose(axis, number) {
	if (page.plane[axis] === number)
		return;
	page.plane = { ...page.plane, [axis]: number };
	const query = new URLSearchParams(location.search);
	for (const [name, value] of Object.entries(page.plane))
		query.set(name, value);
	history.replaceState(null, "", `${location.pathname}?${query}`);
	open();
}

/* The plane that the address asks for, or the nearest that there is. */
function askedPlane(image) {
	const asked = new URLSearchParams(location.search);
	const number = (name, most, otherwise) => {
		const text = asked.get(name) ?? "";
		const value = /^\d{1,9}$/.test(text) ? Number(text) : otherwise;
		return Math.min(Math.max(value, 1), Math.max(most ?? 1, 1));
	};
	return {
		z: number("z", image.depth, Math.ceil((image.depth ?? 1) / 2)),
		frame: number("frame", image.frames, (image.defaultFrame ?? 0) + 1),
	};
}

async function describe(id) {
	const image = await getJSON(url(`api/v1/images/images/${id}/`));
	page.image = image;
	document.title = `${image.name} · slidecache`;
	element("name").textContent = image.name;
	element("name").title = image.name;
	element("facts").textContent = facts(image).join(" · ");
	const reason = trouble(image);
	if (reason)
		throw new ApiError(`This slide cannot be shown. ${reason}`, 200);
}

function showPlanes() {
	const { depth, frames } = page.image;
	const controls = [];
	if (depth > 1)
		controls.push(planeControl("z", "Plane", depth));
	if (frames > 1)
		controls.push(planeControl("frame", "Frame", frames));
	element("planes").replaceChildren(...controls);
	element("planes").hidden = controls.length === 0;
}

async function start() {
	const id = idOf(location.pathname);
	if (!id)
		return fail("The address names no slide.", null);
	status("Opening the slide…");
	try {
		await describe(id);
		page.plane = askedPlane(page.image);
		showPlanes();
		page.viewer ??= makeViewer();
		window.viewer = page.viewer;
		await open();
	} catch (error) {
		const lasting = [200, 403, 404].includes(error.status);
		fail(sentence(error.message), lasting ? null : start);
	}
}

for (const [id, action] of Object.entries(buttons))
	element(id).addEventListener("click", action);
document.addEventListener("keydown", pressed);
document.addEventListener("fullscreenchange", () =>
	element("screen").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement))));
/* Who was sent one slide is not led to where a password is asked for. */
element("back").hidden = isSigned;
start();
