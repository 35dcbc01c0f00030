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

async function ask(path) {
  const headers = () => ({ Authorization: `Bearer ${accessToken}`, Accept: "application/json" });
  let response = await fetch(path, { headers: headers() });
  if (response.status === 401 && (await refreshOnce())) response = await fetch(path, { headers: headers() });
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

// The window that somebody chose: its first day and the first day after it; null: the last days.
function chosenWindow() {
  const { from, to } = byId("window").elements;
  from.required = to.required = Boolean(from.value || to.value);
  if (!from.value || !to.value) return null;
  const after = new Date(`${to.value}T00:00:00Z`);
  after.setUTCDate(after.getUTCDate() + 1);
  return [from.value, after.toISOString().slice(0, 10)];
}

// Questions are asked one after the other: the server computes few at once.
async function showQuestions() {
  const chosen = chosenWindow();
  const lines = [];
  for (const answer of (await ask("/v1/answers")).filter((one) => one.question)) {
    const [first, end] = answer.question_window;
    const query = chosen ? `?${new URLSearchParams({ [first]: chosen[0], [end]: chosen[1] })}` : "";
    const refuse = (error) => ({ lines: [{ title: answer.name, value: error.message }] });
    lines.push(...(await ask(answer.question + query).catch(refuse)).lines);
  }
  const cards = lines.map((line) => {
    const card = element("div", undefined, "card");
    card.append(element("p", line.title), element("div", line.value, "figure"));
    return card;
  });
  if (!cards.length) cards.push(element("p", "You may ask nothing."));
  byId("questions").querySelector("div").replaceChildren(...cards);
}

async function showAnswers() {
  const chosen = chosenWindow();
  const query = chosen ? { from: chosen[0], to: chosen[1] } : { days: byId("window").elements.days.value };
  const charts = await ask(`/v1/charts?${new URLSearchParams(query)}`);
  const place = byId("answers").querySelector("div");
  place.replaceChildren();
  for (const chart of charts) {
    const figure = element("figure", undefined, "card");
    const title = element("div", undefined, "title");
    const name = chart.title.replaceAll("_", " ");
    title.append(element("h3", name[0].toUpperCase() + name.slice(1)), element("span", chart.newest, "figure"));
    const drawing = new DOMParser().parseFromString(chart.svg, "text/html").querySelector("svg");
    figure.append(title, element("figcaption", chart.about), drawing);
    place.append(figure);
  }
  if (!charts.length) place.append(element("p", "There is nothing to draw yet."));
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
  await Promise.all([showAnswers(), showQuestions(), showDeliveries(), showRejects(), showTables()]);
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
  if (token) await fetch("/v1/token/revoke", { method: "POST", body: new URLSearchParams({ token }) }).catch(() => {});
  tell(null);
  showLogin();
});

const showWindow = () => {
  tell(null);
  return Promise.all([showAnswers(), showQuestions()]).catch(tell);
};
const timeWindow = byId("window");
timeWindow.addEventListener("input", chosenWindow);
timeWindow.addEventListener("submit", (event) => {
  event.preventDefault();
  showWindow();
});
timeWindow.elements.days.addEventListener("change", () => {
  timeWindow.elements.from.value = timeWindow.elements.to.value = "";
  chosenWindow();
  showWindow();
});

refresh().then((isKnown) => (isKnown ? showContent() : showLogin())).catch(tell);
