/* SPDX-License-Identifier: MIT */
/*
 * The scale bar: a length that is 1, 2 or 5 times a power of ten and fits a width. Pure, but
 * for show(), which writes into the page.
 */
import { element } from "./common.js";

const WIDTH_MAX = 150; /* screen pixels */
const units = [
	["mm", 1000],
	["µm", 1],
	["nm", 0.001],
];

/* micrometres: of one screen pixel. The bar's width in screen pixels and its text. */
export function scaleOf(micrometres) {
	const most = WIDTH_MAX * micrometres;
	const power = 10 ** Math.floor(Math.log10(most));
	const length = power * [5, 2, 1].find((step) => step * power <= most);
	const [unit, size] = units.find(([, one]) => length >= one * 0.999) ?? units.at(-1);
	return {
		width: length / micrometres,
		text: `${Number((length / size).toPrecision(3))} ${unit}`,
	};
}

const zoomText = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/* zoom: screen pixels for one pixel of the slide. */
export function show(image, zoom) {
	const known = image.mpp > 0 && zoom > 0;
	element("scale").hidden = !known && !(image.objectivePower > 1);
	element("scale-bar").hidden = !known;
	element("scale-text").textContent = "";
	if (known) {
		const { width, text } = scaleOf(image.mpp / zoom);
		element("scale-bar").style.width = `${width}px`;
		element("scale-text").textContent = text;
	}
	element("scale-zoom").textContent = image.objectivePower > 1
		? `${zoomText.format(image.objectivePower * zoom)}×` : "";
}
