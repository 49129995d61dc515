/* SPDX-License-Identifier: MIT */
/*
 * What the pages share: where the service is mounted, asking its API and as whom, saying
 * what went wrong, writing numbers. Knows nothing of the list, the viewer or the cache page.
 */

/* Everything is relative to the document, so a mount below /prefix/ needs no setting. */
const root = new URL(document.documentElement.dataset.base, document.location.href);
root.username = ""; /* fetch() takes no address with a password in it */
root.password = "";

export const url = (path) => new URL(path, root).href;

/* The signature of the page's own address ("slidecachectl sign"): it goes with every
 * request, as whoever was sent such an address may have no other right. */
const signature = new URLSearchParams(document.location.search).get("sig");
export const isSigned = signature !== null;

function signed(address) {
	if (!isSigned || /[?&]sig=/.test(address))
		return address;
	const mark = address.includes("?") ? "&" : "?";
	return `${address}${mark}sig=${encodeURIComponent(signature)}`;
}

/* The address of an image's version: it may be kept for ever, as a new version has a new
 * address. */
export const versioned = (path, image) =>
	signed(url(path) + (image.version ? `?v=${encodeURIComponent(image.version)}` : ""));

/* A token that somebody typed in: kept while the page is open, and nowhere else. With it a
 * refusal is an answer and no reason for the browser to ask for a password. */
let token = "";
export const useToken = (text) => {
	token = text;
};

function withToken(options) {
	if (!token)
		return options;
	const headers = { ...options.headers, Authorization: `Bearer ${token}` };
	return { ...options, headers, credentials: "omit" };
}

export class ApiError extends Error {
	constructor(message, status, takesToken = false) {
		super(message);
		this.status = status; /* 0: no answer at all */
		this.takesToken = takesToken; /* one that is right would have helped */
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
	const told = typeof detail === "string" && detail ? sentence(detail) : "";
	const text = response.status === 401 ? `${words} ${told}`.trim() : told || words;
	const challenge = response.headers.get("WWW-Authenticate") ?? "";
	return new ApiError(text, response.status, token !== "" || /\bBearer\b/.test(challenge));
}

async function request(address, options) {
	let response;
	try {
		response = await fetch(signed(address), withToken(options));
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new ApiError("The server does not answer.", 0);
	}
	if (!response.ok)
		throw await errorOf(response);
	return response;
}

export const get = (address, signal) => request(address, { signal });

/* POST, PUT and DELETE want JSON, so that no form of another site can send them. */
export const send = (method, address, body) => request(address, {
	method,
	headers: { "Content-Type": "application/json" },
	body: body === undefined ? undefined : JSON.stringify(body),
});

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

export const number = (n) => whole.format(n);
export const count = (n, one, many) => `${whole.format(n)} ${n === 1 ? one : many}`;

/* As budgets and limits are given. */
export function size(bytes) {
	const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
	return `${short.format(bytes / 1024 ** power)} ${["bytes", "KiB", "MiB", "GiB"][power]}`;
}

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

/* Brings the children of a list up to date: one for each of values, known by its key, in
 * their order. show(node, value) fills it, or changes what it shows. */
export function keep(parent, values, keyOf, tag, show) {
	const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
	const nodes = values.map((value) => {
		const key = String(keyOf(value));
		const node = old.get(key) ?? make(tag, {});
		node.dataset.key = key;
		show(node, value);
		return node;
	});
	const same = nodes.length === parent.children.length &&
		nodes.every((node, i) => node === parent.children[i]);
	if (!same)
		parent.replaceChildren(...nodes);
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
