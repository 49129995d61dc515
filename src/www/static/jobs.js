/* SPDX-License-Identifier: MIT */
/*
 * Warming on the cache page: the form that starts a job, and the list of jobs with their
 * progress. ?image=ID in the page's address chooses the slide.
 */
import { count, element, getJSON, keep, make, notice, number, send, sentence, size, trouble,
	url } from "./common.js";

const CHOICES = 100; /* slides in the list; the filter finds the others */
const TYPING_MS = 200;
const rate = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const api = (path) => url(`api/v1/cache/jobs/${path}`);

const images = new Map(); /* by their ids; null: asked for */
let jobs = [];
let changed; /* called when there is something new to look at */

const active = (job) => job.state === "queued" || job.state === "running";
export const hasWork = () => jobs.some(active);

/* --- jobs --- */

const nameOf = (id) => images.get(id)?.name ?? `Image ${id}`;

function title(job) {
	const image = images.get(job.image);
	const parts = [nameOf(job.image)];
	if (job.z_dimension > 1 || image?.depth > 1)
		parts.push(`plane ${job.z_dimension}`);
	if (job.frame > 1 || image?.frames > 1)
		parts.push(`frame ${job.frame}`);
	return parts.join(", ");
}

/* What the service's sentences and log lines call it. */
const ids = (job) => `Job ${job.id} · image ${job.image}`;

/* "less than 1 s", "12 s", "4 min 5 s", "2 h 10 min" */
function duration(seconds) {
	const s = Math.round(seconds);
	if (s < 1)
		return "less than 1 s";
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ${s % 60} s`;
	return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}

function runningFacts(job) {
	const list = [`${number(job.tiles.done)} of ${count(job.tiles.planned, "tile", "tiles")}`,
		`${size(job.bytes.done)} of ${size(job.bytes.planned)}`];
	if (job.levels > 0)
		list.push(`level ${job.level} of ${job.levels - 1}`);
	if (job.tiles_per_s > 0)
		list.push(`${rate.format(job.tiles_per_s)} tiles/s`);
	if (job.seconds_left !== null)
		list.push(`${duration(job.seconds_left)} left`);
	return list;
}

/* What the budget did not reach. */
function notStored(job) {
	return job.total_tiles - job.tiles.done - job.skipped_tiles - job.failed_tiles;
}

function endedFacts(job) {
	const list = [count(job.tiles.done, "tile", "tiles"), size(job.bytes.done)];
	if (job.started_at && job.ended_at)
		list.push(`in ${duration((new Date(job.ended_at) - new Date(job.started_at)) / 1000)}`);
	return list;
}

function facts(job) {
	if (job.state === "queued")
		return [`at most ${rate.format(job.mem_size_mb)} MiB`];
	const list = job.state === "running" ? runningFacts(job) : endedFacts(job);
	if (job.skipped_tiles > 0)
		list.push(`${number(job.skipped_tiles)} were there`);
	if (job.failed_tiles > 0)
		list.push(`${number(job.failed_tiles)} failed`);
	if (job.state === "done" && notStored(job) > 0)
		list.push(`budget used, ${count(notStored(job), "tile", "tiles")} not stored`);
	return list;
}

function troubles(job) {
	const list = [];
	if (job.state === "running" && job.waiting)
		list.push("It waits for the cache, which is out of reach.");
	if (job.reason)
		list.push(sentence(job.reason));
	if (job.failure && !job.reason.includes(job.failure))
		list.push(sentence(job.failure));
	return list.join(" ");
}

function bar(job, node) {
	node.max = 1;
	if (job.state === "done")
		node.value = 1;
	else if (job.tiles.planned > 0)
		node.value = Math.min(1, job.tiles.done / job.tiles.planned);
	else if (job.state === "running")
		node.removeAttribute("value"); /* nobody knows yet */
	else
		node.value = 0;
	node.ariaLabel = `Progress of job ${job.id}, ${title(job)}`;
}

async function cancel(id) {
	try {
		await send("DELETE", api(`${id}/`));
	} catch (error) {
		if (error.status !== 404) { /* it is forgotten already */
			notice(`The job cannot be cancelled. ${error.message}`, changed);
			return;
		}
	}
	changed();
}

function makeJob(item, job) {
	item.className = "job";
	item.append(
		make("h4", {}, make("span", { className: "name" }), make("span", { className: "state" })),
		make("button", { type: "button", className: "small", onclick: () => cancel(job.id) }),
		make("progress", {}), make("p", { className: "facts-of" }),
		make("p", { className: "trouble" }));
}

/* The nodes stay, so that the button keeps the focus and the bar moves smoothly. */
function showJob(item, job) {
	const part = (selector) => item.querySelector(selector);
	if (item.children.length === 0)
		makeJob(item, job);
	const word = active(job) ? "Cancel" : "Remove";
	item.dataset.id = job.id;
	item.dataset.state = job.state;
	part(".name").textContent = title(job);
	part(".state").textContent = job.state;
	part("button").textContent = word;
	part("button").ariaLabel = `${word} job ${job.id}: ${title(job)}`;
	part(".facts-of").textContent = [ids(job), ...facts(job)].join(" · ");
	part(".facts-of").title = job.by ? `Wanted by ${job.by}` : "";
	part(".trouble").textContent = troubles(job);
	bar(job, part("progress"));
}

/* Jobs may be of images that no list had: their names come with the next look. */
async function learn(ids) {
	for (const id of ids.filter((one) => !images.has(one))) {
		images.set(id, null);
		try {
			images.set(id, await getJSON(url(`api/v1/images/images/${id}/`)));
		} catch {
			/* it has a number */
		}
	}
}

/* Those that work first, then the latest. */
function order(a, b) {
	return active(b) - active(a) || (active(a) ? a.id - b.id : b.id - a.id);
}

export async function showJobs(answer) {
	jobs = answer.jobs.sort(order);
	await learn(jobs.map((job) => job.image));
	keep(element("jobs"), jobs, (job) => job.id, "li", showJob);
	element("no-jobs").hidden = jobs.length > 0;
	const left = jobs.filter(active).length;
	element("status").textContent = left === 0 ? "Nothing is being warmed"
		: `${count(left, "job", "jobs")} to be done`;
}

/* --- the form --- */

const choice = () => images.get(Number(element("image").value));

/* Planes and frames are asked for where there are several. */
function showPlanes() {
	for (const [id, most] of [["z", choice()?.depth], ["frame", choice()?.frames]]) {
		const input = element(id);
		input.max = Math.max(1, most ?? 1);
		input.value = Math.min(Number(input.value) || 1, input.max);
		input.closest(".field").hidden = !(most > 1);
	}
}

/* Of those that the filter finds, what can be shown. */
async function list() {
	const query = new URLSearchParams({ limit: CHOICES, omit: "annotations" });
	const text = element("filter").value.trim();
	if (text)
		query.set("name__contains", text);
	const answer = await getJSON(`${url("api/v1/images/images/")}?${query}`);
	const good = answer.results.filter((image) => !trouble(image));
	for (const image of good)
		images.set(image.id, image);
	return good;
}

function showChoices(good, wanted) {
	const select = element("image");
	select.replaceChildren(...good.map((image) =>
		make("option", { value: image.id }, image.name)));
	if (good.some((image) => image.id === wanted))
		select.value = wanted;
	showPlanes();
}

const say = (text) => {
	element("warm-said").textContent = text;
	element("warm-said").hidden = !text;
};

async function find(wanted) {
	try {
		const good = await list();
		showChoices(good, wanted);
		say(good.length ? "" : "There is no such slide.");
	} catch (error) {
		say(`The slides cannot be listed. ${error.message}`);
	}
}

/* The slide that the address names may not be among the first. */
async function findWanted() {
	const id = Number(new URLSearchParams(location.search).get("image"));
	if (Number.isInteger(id) && id > 0)
		try {
			const image = await getJSON(url(`api/v1/images/images/${id}/`));
			element("filter").value = image.name;
		} catch (error) {
			if (error.status !== 404)
				throw error;
		}
	await find(id);
}

/* The service names the fields as its API does. */
const labels = { mem_size_mb: "budget", z_dimension: "z", frame: "frame", images: "image" };

function byLabel(text) {
	return text.replace(/^(\w+): /, (whole, name) => {
		const field = element(labels[name.toLowerCase()] ?? "");
		return field ? `“${field.labels[0].textContent}” ` : whole;
	});
}

async function start(event) {
	event.preventDefault();
	const value = (id) => Number(element(id).value);
	say("");
	try {
		await send("POST", api(""), {
			images: [value("image")],
			mem_size_mb: value("budget"),
			z_dimension: value("z"),
			frame: value("frame"),
		});
	} catch (error) {
		say(`The job was not started. ${byLabel(error.message)}`);
		return;
	}
	changed();
}

export const fillForm = () =>
	findWanted().catch((error) => say(`The slides cannot be listed. ${error.message}`));

export function startForm(onChange) {
	let typing;
	changed = onChange;
	element("warm").addEventListener("submit", start);
	element("image").addEventListener("change", showPlanes);
	element("filter").addEventListener("input", () => {
		clearTimeout(typing);
		typing = setTimeout(find, TYPING_MS, Number(element("image").value));
	});
	fillForm();
}
