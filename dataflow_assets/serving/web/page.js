"use strict";
// The page: logs in, asks the API, and shows what it says. Texts of the API are never taken as HTML; the drawings,
// which the server makes of numbers and escaped names, are parsed as SVG.

const KEPT = "dataflow-refresh-token";
const byId = (id) => document.getElementById(id);
let accessToken = null;

async function requestToken(fields) {
  const response = await fetch("/v1/token", { method: "POST", body: new URLSearchParams(fields) });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || "The server did not let you in.");
  }
  const tokens = await response.json();
  accessToken = tokens.access_token;
  sessionStorage.setItem(KEPT, tokens.refresh_token);
}

async function refresh() {
  const token = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (!token) return false;
  try {
    await requestToken({ grant_type: "refresh_token", refresh_token: token });
    return true;
  } catch {
    return false;
  }
}

// Several requests may meet the end of the same access token, and a refresh token is good once.
let refreshing = null;
const refreshOnce = () => (refreshing ||= refresh().finally(() => (refreshing = null)));

async function ask(path, signal) {
  const options = () => ({ headers: { Authorization: `Bearer ${accessToken}`, Accept: "application/json" }, signal });
  let response = await fetch(path, options());
  if (response.status === 401 && (await refreshOnce())) response = await fetch(path, options());
  if (response.status === 401) {
    showLogin();
    throw new Error("Log in again.");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || `The server answered ${response.status}.`);
  }
  return response.json();
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const kind = (column) => (column.isNumber ? "number" : column.isDay ? "day" : column.isAbout ? "about" : "");

// A column: its heading, how a row gives its text or an element, and whether it is a number, a day, or about others.
function showTable(section, columns, rows, nothing) {
  const place = byId(section).querySelector("div");
  if (!rows.length) {
    place.replaceChildren(element("p", nothing));
    return;
  }
  const table = element("table");
  const heading = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = element("th", column.title, kind(column));
    cell.scope = "col";
    heading.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const column of columns) {
      const isBad = column.isBad && column.isBad(row);
      const cell = element("td", undefined, `${kind(column)} ${isBad ? "bad" : ""}`);
      cell.append(column.show(row));
      line.append(cell);
    }
  }
  const wide = element("div", undefined, "card wide");
  wide.append(table);
  place.replaceChildren(wide);
}

const count = (number) => Number(number).toLocaleString("en");

const moveDay = (day, days) => {
  const found = new Date(`${day}T00:00:00Z`);
  found.setUTCDate(found.getUTCDate() + days);
  return found.toISOString().slice(0, 10);
};

// A first and a last day belong together.
function requireBoth() {
  const { from, to } = byId("window").elements;
  from.required = to.required = Boolean(from.value || to.value);
}

// The window that is wanted, as the charts take it: its first day and the first day after it, or how many last days.
function wantedWindow() {
  const { from, to, days } = byId("window").elements;
  return from.value && to.value ? { from: from.value, to: moveDay(to.value, 1) } : { days: days.value };
}

const period = (first, end) => `Window: ${first} to ${moveDay(end, -1)}, both included.`;

// Questions are asked one after the other: the server computes few at once.
async function askQuestions(wanted, signal) {
  const lines = [];
  for (const answer of (await ask("/v1/answers", signal)).filter((one) => one.question)) {
    const [first, end] = answer.question_window;
    const query = new URLSearchParams(wanted.days ? wanted : { [first]: wanted.from, [end]: wanted.to });
    const refuse = (error) => {
      signal.throwIfAborted();
      return { lines: [{ title: answer.name, value: error.message }] };
    };
    const said = await ask(`${answer.question}?${query}`, signal).catch(refuse);
    if (wanted.days && said.from) byId("shown").textContent = period(said.from.slice(0, 10), said.to.slice(0, 10));
    lines.push(...said.lines);
  }
  const cards = lines.map((line) => {
    const card = element("div", undefined, "card");
    card.append(element("p", line.title), element("div", line.value, "figure"));
    return card;
  });
  return cards.length ? cards : [element("p", "You may ask nothing.")];
}

async function askCharts(wanted, signal) {
  const charts = await ask(`/v1/charts?${new URLSearchParams(wanted)}`, signal);
  const figures = charts.map((chart) => {
    const figure = element("figure", undefined, "card");
    const title = element("div", undefined, "title");
    const name = chart.title.replaceAll("_", " ");
    title.append(element("h3", name[0].toUpperCase() + name.slice(1)), element("span", chart.newest, "figure"));
    const drawing = new DOMParser().parseFromString(chart.svg, "text/html").querySelector("svg");
    figure.append(title, element("figcaption", chart.about), drawing);
    return figure;
  });
  return figures.length ? figures : [element("p", "There is nothing to draw yet.")];
}

// A section is busy until it has what was asked for; where that fails it has nothing, rather than what is of before.
async function fill(section, makeParts, wanted, signal) {
  const place = byId(section);
  place.setAttribute("aria-busy", "true");
  let parts = [];
  try {
    parts = await makeParts(wanted, signal);
  } finally {
    if (!signal.aborted) {
      place.querySelector("div").replaceChildren(...parts);
      place.setAttribute("aria-busy", "false");
    }
  }
}

// A window takes the place of the one before, of which nothing is shown any more, however late its answers come.
let showing = new AbortController();
async function showWindow() {
  showing.abort();
  showing = new AbortController();
  const { signal } = showing;
  const wanted = wantedWindow();
  byId("shown").textContent = wanted.days ? `Window: the last ${wanted.days} days.` : period(wanted.from, wanted.to);
  try {
    await Promise.all([fill("answers", askCharts, wanted, signal), fill("questions", askQuestions, wanted, signal)]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const STATES = { accepted: "good", quarantined: "wait", rejected: "bad" };

async function showDeliveries() {
  const columns = "day,source,object,state,delivered,accepted,rejected";
  const rows = await ask(`/v1/deliveries?order=-day,source,object&limit=30&columns=${columns}`);
  showTable("deliveries", [
    { title: "Day", show: (row) => row.day, isDay: true },
    { title: "Source", show: (row) => row.source },
    { title: "Object", show: (row) => row.object.split("/").slice(3).join("/") || row.object },
    { title: "State", show: (row) => element("span", row.state, `state ${STATES[row.state] || "wait"}`) },
    { title: "Delivered", show: (row) => count(row.delivered), isNumber: true },
    { title: "Accepted", show: (row) => count(row.accepted), isNumber: true },
    { title: "Rejected", show: (row) => count(row.rejected), isNumber: true, isBad: (row) => row.rejected > 0 },
  ], rows, "Nothing has been delivered yet.");
}

async function showRejects() {
  const rows = await ask("/v1/rejects?limit=10000&columns=source,code");
  const counts = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.source, row.code]);
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  const found = [...counts].map(([key, rejected]) => [...JSON.parse(key), rejected]);
  found.sort((one, other) => other[2] - one[2]);
  const most = rows.length === 10000 ? " (of 10,000 rows)" : "";
  const bar = (row) => {
    const drawn = element("div", undefined, "bar");
    drawn.style.width = `${(100 * row[2]) / found[0][2]}%`;
    return drawn;
  };
  showTable("rejects", [
    { title: "Source", show: (row) => row[0] },
    { title: "Reason", show: (row) => row[1] },
    { title: "", show: bar },
    { title: `Rows${most}`, show: (row) => count(row[2]), isNumber: true },
  ], found, "No row has been rejected.");
}

function freshness(table) {
  const days = table.freshness.stale_days_count;
  if (!days) return table.freshness.newest_day ? element("span", "fresh", "state good") : element("span", "empty", "state");
  return element("span", days === 1 ? "1 day behind" : `${count(days)} days behind`, "state bad");
}

async function showTables() {
  const summaries = (await ask("/v1/tables")).filter((table) => table.kind !== "history");
  const tables = await Promise.all(summaries.map((table) => ask(`/v1/tables/${encodeURIComponent(table.name)}`)));
  showTable("tables", [
    { title: "Table", show: (table) => table.name },
    { title: "What it holds", show: (table) => table.description, isAbout: true },
    { title: "Rows", show: (table) => count(table.rows), isNumber: true },
    { title: "Newest day", show: (table) => table.freshness.newest_day || "none", isDay: true },
    { title: "State", show: freshness },
  ], tables, "You may read no table.");
}

function tell(error) {
  byId("problem").hidden = !error;
  byId("problem").textContent = error ? error.message : "";
}

function showLogin() {
  accessToken = null;
  byId("login").hidden = false;
  for (const part of ["content", "session", "sections"]) byId(part).hidden = true;
  byId("login").elements.username.focus();
}

async function showContent() {
  const me = await ask("/v1/me");
  byId("who").textContent = `${me.name}, ${me.role}`;
  byId("login").hidden = true;
  for (const part of ["content", "session", "sections"]) byId(part).hidden = false;
  await Promise.all([showWindow(), showDeliveries(), showRejects(), showTables()]);
  document.body.dataset.ready = "yes";
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  try {
    await requestToken({ username: form.elements.username.value, password: form.elements.password.value });
    form.elements.password.value = "";
    tell(null);
    await showContent();
  } catch (error) {
    tell(error);
  }
});

byId("leave").addEventListener("click", async () => {
  const token = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  showing.abort();
  if (token) await fetch("/v1/token/revoke", { method: "POST", body: new URLSearchParams({ token }) }).catch(() => {});
  tell(null);
  showLogin();
});

function changeWindow() {
  tell(null);
  showWindow().catch(tell);
}

const timeWindow = byId("window");
timeWindow.addEventListener("input", requireBoth);
timeWindow.addEventListener("submit", (event) => {
  event.preventDefault();
  changeWindow();
});
timeWindow.elements.days.addEventListener("change", () => {
  timeWindow.elements.from.value = timeWindow.elements.to.value = "";
  requireBoth();
  changeWindow();
});

refresh().then((isKnown) => (isKnown ? showContent() : showLogin())).catch(tell);
