// The page: images in, answers out. Names and words are only ever set as text.

import { Camera } from "/camera.js";
import { writeTable } from "/table.js";

const TOGETHER = 4; // images of one request; the server's limit is higher
const REQUESTS = 2; // requests at a time: one is answered while the next is sent
const TRIES = 40; // of a request that is told to come back later
const SHOWN = 6; // classes, until more are asked for
const THUMB_PX = 128;
const STATUS = {
  sure: ["✓ sure", "Sure: only this answer fits."],
  unsure: ["? unsure", "Unsure: another answer may be true. Let a person look at this image, or take a better one."],
  unfamiliar: [
    "! unfamiliar",
    "Unfamiliar: this image is unlike those the model learned from, so the confidence below means little. Check that it is the right kind of image; if it is, let a person decide.",
  ],
};

const get = (id) => document.getElementById(id);
const items = []; // {file, name, answer, failure, row, url}
let model = null;
let current = null;
let showsAll = false;
let open = 0;
let waiting = [];

function say(text) {
  get("live").textContent = text;
}

function warn(text) {
  get("trouble").textContent = text;
  get("trouble").hidden = !text;
}

function percent(share) {
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// ---- giving images

function add(files) {
  warn("");
  if (!files.length || !model) return;
  const added = files.map((file) => ({ file, name: file.name, answer: null, failure: "", row: null, url: "" }));
  for (const item of added) {
    if (item.file.size > model.limits.file_bytes) fail(item, `larger than ${megabytes(model.limits.file_bytes)}`);
    if (!item.file.size) fail(item, "is empty");
  }
  items.push(...added);
  added.forEach(addRow);
  waiting.push(...added.filter((item) => !item.failure));
  if (!current || added.length === 1) show(added[0]);
  say(added.length === 1 ? "Looking at the image …" : `Looking at ${added.length} images …`);
  refresh();
  work();
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}

async function listFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return { files: [...transfer.files], failed: 0 };
  const files = [];
  let failed = 0;
  const read = async (entry) => {
    if (entry.isFile) {
      files.push(await new Promise((done, refuse) => entry.file(done, refuse)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, refuse) => reader.readEntries(done, refuse));
      if (!some.length) return;
      for (const one of some) if (!one.name.startsWith(".")) await walk(one);
    }
  };
  const walk = (entry) => read(entry).catch(() => { failed += 1; }); // one that cannot be read stops no other
  for (const entry of entries) await walk(entry);
  return { files, failed };
}

// ---- asking the server

function work() {
  while (open < REQUESTS && waiting.length) {
    const together = [];
    let bytes = 0;
    while (waiting.length && together.length < TOGETHER && (!together.length || bytes + waiting[0].file.size < model.limits.file_bytes)) {
      bytes += waiting[0].file.size;
      together.push(waiting.shift());
    }
    open += 1;
    ask(together).finally(() => {
      open -= 1;
      refresh();
      work();
    });
  }
}

async function post(address, body, headers = {}) {
  for (let tried = 0; ; tried += 1) {
    const reply = await fetch(address, { method: "POST", body, headers });
    if ((reply.status !== 429 && reply.status !== 503) || tried === TRIES) return reply;
    await new Promise((done) => setTimeout(done, 1000 * Number(reply.headers.get("Retry-After") || 1)));
  }
}

async function ask(together) {
  const form = new FormData();
  for (const item of together) form.append("files", item.file, item.name);
  try {
    const reply = await post("/predict", form);
    const told = await reply.json();
    if (!told.images) throw new Error(told.error);
    told.images.forEach((answer, place) => {
      together[place].answer = { ...answer, name: together[place].name };
      together[place].failure = "";
    });
  } catch (error) {
    const words = error instanceof TypeError ? "no answer: is sightx serve still running?" : error.message;
    if (together.length > 1 && !(error instanceof TypeError)) {
      for (const item of together) await ask([item]); // one of them must not fail the others
      return;
    }
    for (const item of together) fail(item, words);
  }
  for (const item of together) {
    fillRow(item);
    if (item === current) show(item);
  }
}

function fail(item, words) {
  item.failure = words;
}

function describe(item) {
  if (item.failure) return `${item.name}: ${item.failure}`;
  if (item.answer.error) return `${item.name}: ${item.answer.error}`;
  const { prediction, confidence, status } = item.answer;
  return [`${item.name}: ${prediction || "none of the labels"}`, confidence == null ? "" : percent(confidence), status].filter(Boolean).join(", ");
}

function refresh() {
  const done = items.filter((item) => item.answer || item.failure);
  const isWorking = done.length < items.length;
  get("progress").hidden = !isWorking || items.length < 2;
  get("bar").max = Math.max(items.length, 1);
  get("bar").value = done.length;
  get("count").textContent = `${done.length} of ${items.length}`;
  get("several").hidden = items.length < 2;
  get("several-title").textContent = `${items.length} images`;
  get("again").hidden = !items.some((item) => item.failure && item.file.size && item.file.size <= model.limits.file_bytes);
  get("download").disabled = isWorking;
  get("summary").textContent = summarise(done);
  if (items.length && !isWorking) say(items.length === 1 ? describe(items[0]) : `All ${items.length} images are answered.`);
}

function summarise(done) {
  const counts = new Map();
  for (const { answer, failure } of done) {
    const what = failure || answer.error ? "not read" : answer.prediction || "none of the labels";
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const doubtful = done.filter((item) => ["unsure", "unfamiliar"].includes(item.answer?.status)).length;
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  const shown = sorted.slice(0, 8).map(([what, count]) => `${what} ${count}`);
  if (sorted.length > 8) shown.push(`${sorted.length - 8} more`);
  return shown.join(" · ") + (doubtful ? ` — ${doubtful} unsure or unfamiliar: let a person look at ${doubtful === 1 ? "it" : "those"}` : "");
}

// ---- one image

function show(item) {
  current?.row?.classList.remove("shown");
  if (current !== item) showsAll = false;
  const isNew = current !== item;
  current = item;
  item.row?.classList.add("shown");
  get("answer").hidden = false;
  get("name").textContent = item.name;
  if (isNew) showPicture(item);
  get("map").hidden = true;
  const { answer, failure } = item;
  const isRead = Boolean(answer && !answer.error && !failure);
  get("said").replaceChildren(...headline(item));
  get("classes").hidden = !isRead;
  get("explain").hidden = !isRead;
  get("more").hidden = true;
  const status = get("status");
  status.hidden = !answer && !failure;
  status.className = "notice";
  get("decision").hidden = true;
  get("notes").replaceChildren(...(answer?.notes ?? []).map((note) => make("li", note)));
  if (failure || answer?.error) {
    status.classList.add("bad");
    status.textContent = failure || answer.error;
    return;
  }
  if (!isRead) return;
  status.textContent = STATUS[answer.status]?.[1] ?? "";
  status.hidden = !status.textContent;
  if (answer.status) status.classList.add(answer.status);
  get("decision").textContent = describeDecision(answer);
  get("decision").hidden = !get("decision").textContent;
  showClasses(answer);
  get("class").value = likeliest(answer);
}

function describeDecision(answer) {
  if (!model.decision) return "";
  const { positive, threshold } = model.decision;
  const which = positive.join(" or ");
  if (answer.decision) return `Decision: ${answer.decision}. ${which} counts as positive from ${percent(threshold)} on.`;
  return model.decides_class ? `Decided by the stored threshold: ${which} from ${percent(threshold)} on, likelier or not.` : "";
}

function headline({ answer, failure }) {
  if (failure || answer?.error) return [document.createTextNode("No answer")];
  if (!answer) return [document.createTextNode("…")];
  const words = [document.createTextNode(answer.prediction || "None of the labels")];
  if (answer.confidence != null) words.push(document.createTextNode(" "), make("small", percent(answer.confidence)));
  return words;
}

function likeliest(answer) {
  if (answer.prediction in answer.probabilities) return answer.prediction;
  return Object.entries(answer.probabilities).reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

function isGiven(answer, name, share) {
  return model.thresholds ? share >= model.thresholds[name] : name === answer.prediction;
}

function showClasses(answer) {
  const sorted = Object.entries(answer.probabilities); // grades of few stay in their order
  if (model.task !== "grades" || sorted.length > SHOWN + 1) sorted.sort((one, other) => other[1] - one[1]);
  const shown = showsAll || sorted.length <= SHOWN + 1 ? sorted : sorted.slice(0, SHOWN);
  const rows = shown.map(([name, share]) => {
    const row = make("tr");
    if (isGiven(answer, name, share)) row.className = "given";
    const head = make("th", name);
    head.scope = "row";
    const track = make("span", "", "track");
    const fill = make("span", "", "fill");
    fill.style.width = `${100 * share}%`;
    track.append(fill);
    track.setAttribute("aria-hidden", "true");
    if (model.thresholds) {
      const mark = make("span", "", "threshold");
      mark.style.left = `${100 * model.thresholds[name]}%`;
      track.append(mark);
    }
    const bar = make("td");
    bar.append(track);
    row.append(head, bar, make("td", percent(share), "number"));
    return row;
  });
  get("classes").tBodies[0].replaceChildren(...rows);
  get("more").hidden = sorted.length <= SHOWN + 1;
  get("more").textContent = showsAll ? "Show fewer classes" : `Show all ${sorted.length} classes`;
  get("more").setAttribute("aria-expanded", String(showsAll));
}

function showPicture(item) {
  const picture = get("picture");
  URL.revokeObjectURL(picture.src);
  picture.hidden = false;
  get("no-picture").hidden = true;
  picture.alt = `The image ${item.name}`;
  picture.src = URL.createObjectURL(item.file);
}

function missPicture() {
  get("picture").hidden = true;
  get("no-picture").textContent = `This browser cannot show ${kind(current.name)} files; the model may read it all the same.`;
  get("no-picture").hidden = false;
}

function kind(name) {
  const ending = /\.([A-Za-z0-9]{1,5})$/.exec(name);
  return ending ? ending[1].toUpperCase() : "such";
}

// ---- heatmap

async function drawHeatmap() {
  const item = current;
  const button = get("heat");
  button.disabled = true;
  say("Drawing the heatmap; the first one takes some seconds.");
  try {
    const address = `/heatmap?class=${encodeURIComponent(get("class").value)}`;
    const form = new FormData();
    form.append("file", item.file, "image");
    const reply = await post(address, form, { Accept: "application/json" });
    const told = await reply.json();
    if (!reply.ok) throw new Error(told.error);
    if (item !== current) return;
    const bytes = Uint8Array.from(atob(told.picture), (letter) => letter.charCodeAt(0));
    const picture = get("map-picture");
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    picture.alt = `Heatmap over the image in grey: orange where it speaks for ${told.class}, blue where it speaks against.`;
    for (const element of document.querySelectorAll(".of")) element.textContent = told.class;
    get("map-words").replaceChildren(...told.words.map((line) => make("li", line)));
    get("map").hidden = false;
    say(`The heatmap of what speaks for ${told.class} is shown below the answer.`);
    get("map").scrollIntoView({ block: "nearest" });
  } catch (error) {
    say("");
    warn(error instanceof TypeError ? "No heatmap: is sightx serve still running?" : `No heatmap: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

// ---- several images

function addRow(item) {
  const row = make("tr");
  const thumb = make("span", kind(item.name), "thumb");
  thumb.setAttribute("aria-hidden", "true");
  const first = make("td");
  first.append(thumb);
  const head = make("th");
  head.scope = "row";
  const button = make("button", item.name, "plain");
  button.type = "button";
  button.addEventListener("click", () => {
    show(item);
    get("answer").scrollIntoView({ block: "start" });
    get("said").focus({ preventScroll: true });
  });
  head.append(button);
  row.append(first, head, make("td", "…"), make("td", "", "number"), make("td", "", "status"));
  item.row = row;
  get("rows").append(row);
  fillRow(item);
  thumbs = thumbs.then(() => drawThumb(item, thumb));
}

let thumbs = Promise.resolve();

async function drawThumb(item, place) {
  try {
    const bitmap = await createImageBitmap(item.file, { resizeHeight: THUMB_PX, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    canvas.className = "thumb";
    canvas.setAttribute("aria-hidden", "true");
    place.replaceWith(canvas);
  } catch {
    // this browser cannot show such files: their ending stands in the place
  }
}

function fillRow(item) {
  if (!item.row || !(item.answer || item.failure)) return;
  const [, , prediction, confidence, status] = item.row.cells;
  const { answer, failure } = item;
  status.className = "status";
  if (failure || answer.error) {
    prediction.textContent = "–";
    confidence.textContent = "";
    status.replaceChildren(make("span", failure || answer.error, "tag bad"));
    return;
  }
  prediction.textContent = answer.prediction || "none of the labels";
  confidence.textContent = answer.confidence == null ? "" : percent(answer.confidence);
  const said = [STATUS[answer.status]?.[0], answer.decision].filter(Boolean).join(" · ");
  status.replaceChildren(make("span", said, `tag ${answer.status}`));
}

function download() {
  const unread = { prediction: null, confidence: null, probabilities: {}, status: "", decision: "" };
  const images = items.map((item) => (item.failure ? { ...unread, name: item.name, error: item.failure } : item.answer));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([writeTable(model.columns, images)], { type: "text/csv" }));
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function clear() {
  items.length = 0;
  waiting = [];
  current = null;
  get("rows").replaceChildren();
  get("answer").hidden = true;
  warn("");
  refresh();
  say("Cleared.");
  get("choose").focus();
}

function sendAgain() {
  const failed = items.filter((item) => item.failure && item.file.size && item.file.size <= model.limits.file_bytes);
  for (const item of failed) {
    item.failure = "";
    item.row.cells[4].textContent = "…";
  }
  waiting.push(...failed);
  refresh();
  work();
}

// ---- the model

function showModel() {
  document.title = `${model.name} · SightX`;
  get("title").textContent = model.name;
  const few = model.classes.length <= 8 ? `: ${model.classes.join(", ")}` : "";
  get("subtitle").textContent = `Image classification with SightX, ${model.described}${few}`;
  get("research").textContent = model.research;
  get("several").classList.toggle("of-labels", !model.columns.includes("confidence"));
  if (model.thresholds) get("classes").caption.textContent += "; from the line on a label is given";
  get("class").replaceChildren(...model.classes.map((name) => new Option(name, name)));
  if (!model.heatmaps.available) {
    get("heat").hidden = get("class").hidden = true;
    get("no-heat").textContent = `No heatmap: ${model.heatmaps.why}.`;
    get("no-heat").hidden = false;
  }
  const missing = [
    model.tells_unsure ? "" : "how sure it is (too few images to measure it)",
    model.tells_unfamiliar ? "" : "whether an image is unlike those it learned from",
  ].filter(Boolean);
  const facts = [
    ["intended use", model.intended_use],
    ["run", model.run],
    ["classes", model.classes.join(", ")],
    ["network", `${model.backbone}, reads images at ${model.size_px} px`],
    ["recipe", model.recipe],
    ["decides by", model.decided_by],
    ["cannot tell", missing.join("; ")],
    ["made by", `SightX ${model.version}`],
  ];
  for (const [what, said] of facts) if (said) get("fact-list").append(make("dt", what), make("dd", [said].flat().join(", ")));
  for (const part of model.figures) {
    const table = make("table");
    table.append(make("caption", `${part.heading} (${part.images}), with 95 % intervals`, "unseen"));
    get("figures").append(make("p", table.caption.textContent), make("p", part.what, "muted small"));
    for (const { title, value, interval } of part.figures) {
      const row = table.insertRow();
      const head = make("th", title);
      head.scope = "row";
      const span = interval ? `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}` : "";
      row.append(head, make("td", value.toFixed(3), "number"), make("td", span, "number muted"));
    }
    get("figures").append(table);
  }
}

async function start() {
  try {
    model = await (await fetch("/model")).json();
  } catch {
    warn("The server does not answer: is sightx serve still running? Then load this page again.");
    return;
  }
  showModel();
}

// ---- what the user does

const parts = { panel: "camera", video: "video", words: "camera-words", shoot: "shoot", turn: "turn", close: "close-camera", capture: "capture" };
const camera = new Camera(Object.fromEntries(Object.entries(parts).map(([part, id]) => [part, get(id)])), add);
if (!["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) get("where").textContent = `the program on ${location.hostname}`;
if (matchMedia("(pointer: coarse)").matches) get("invite").textContent = "Choose images, or take a photo";

get("choose").addEventListener("click", () => get("files").click());
get("files").addEventListener("change", (event) => {
  add([...event.target.files]);
  event.target.value = "";
});
get("photograph").addEventListener("click", (event) => camera.open(event.currentTarget));
get("picture").addEventListener("error", missPicture);
get("heat").addEventListener("click", drawHeatmap);
get("download").addEventListener("click", download);
get("clear").addEventListener("click", clear);
get("again").addEventListener("click", sendAgain);
get("more").addEventListener("click", () => {
  showsAll = !showsAll;
  showClasses(current.answer);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  get("give").classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || get("give").classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  get("give").classList.remove("over");
  const { files, failed } = await listFiles(event.dataTransfer);
  add(files);
  if (failed) warn(`${failed} of the files or folders cannot be read here: the others are answered.`);
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) add(files);
});

start();
