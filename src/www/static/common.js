/* SPDX-License-Identifier: MIT */
/*
 * What both pages share: where the service is mounted, asking its API, saying what went
 * wrong, writing numbers. Knows nothing of slides' pages or of the viewer.
 */

/* Everything is relative to the document, so a mount below /prefix/ needs no setting. */
const root = new URL(document.documentElement.dataset.base, document.location.href);

export const url = (path) => new URL(path, root).href;

/* The address of an image's version: it may be kept for ever, as a new version has a new
 * address. */
export const versioned = (path, image) =>
	url(path) + (image.version ? `?v=${encodeURIComponent(image.version)}` : "");

export class ApiError extends Error {
	constructor(message, status) {
		super(message);
		this.status = status; /* 0: no answer at all */
	}
}

const plainWords = {
	401: "You have to sign in to see this.",
	403: "You may not see this.",
	404: "There is no such slide.",
	429: "The server is busy. Try again in a moment.",
	500: "The server made a mistake. Its log says more.",
	502: "The slide service is not running.",
	503: "The slide service is not running, or is too busy.",
	504: "The server took too long.",
};

/* Errors of the service are {"detail": "..."}; the web server's own are not. */
async function errorOf(response) {
	let detail = "";
	try {
		detail = (await response.json()).detail;
	} catch {
		/* not JSON: the status has to do */
	}
	const words = plainWords[response.status] ?? `The server answered ${response.status}.`;
	const text = typeof detail === "string" && detail ? sentence(detail) : words;
	return new ApiError(text, response.status);
}

export async function get(address, signal) {
	let response;
	try {
		response = await fetch(address, { signal });
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new ApiError("The server does not answer.", 0);
	}
	if (!response.ok)
		throw await errorOf(response);
	return response;
}

export async function getJSON(address, signal) {
	const response = await get(address, signal);
	try {
		return await response.json();
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new ApiError("The server's answer is not JSON.", response.status);
	}
}

/* "cannot be read" -> "Cannot be read." */
export function sentence(text) {
	const capital = text.charAt(0).toUpperCase() + text.slice(1);
	return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const count = (n, one, many) => `${whole.format(n)} ${n === 1 ? one : many}`;

/* "2,220 × 2,967 px", "20×", "0.499 µm/px", "5 planes": what is known of an image. 0 and, for
 * the objective, 1 stand for unknown. */
export function facts(image) {
	const list = [];
	if (image.width > 0 && image.height > 0)
		list.push(`${whole.format(image.width)} × ${whole.format(image.height)} px`);
	if (image.objectivePower > 1)
		list.push(`${short.format(image.objectivePower)}×`);
	if (image.mpp > 0)
		list.push(`${short.format(image.mpp)} µm/px`);
	if (image.depth > 1)
		list.push(count(image.depth, "plane", "planes"));
	if (image.frames > 1)
		list.push(count(image.frames, "frame", "frames"));
	return list;
}

/* "" when the image can be shown, else why not. */
export function trouble(image) {
	if (image.state === "gone")
		return "Its file is gone.";
	if (image.state === "unreadable")
		return sentence(image.reason || "it cannot be read");
	return "";
}

export const element = (id) => document.getElementById(id);

export function make(tag, properties, ...children) {
	const node = Object.assign(document.createElement(tag), properties);
	node.append(...children);
	return node;
}

/* Shows an error in the page's notice; retry is what its button does. */
export function notice(text, retry) {
	const box = element("notice");
	const button = box.querySelector("button");
	box.querySelector("p").textContent = text;
	button.onclick = () => {
		box.hidden = true;
		retry();
	};
	button.hidden = !retry;
	box.hidden = !text;
}
