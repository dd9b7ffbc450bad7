// Enrolment: how people and announcements sound on this line, for admins.

import { ask, h, send, table } from "./dom.js";

const POLL_MS = 2000;

export async function enrolment(role) {
  if (role !== "admin") return [];
  const place = h("section", { class: "card" });
  const show = async (answer) => {
    const { run, enrolments } = answer || await ask("v1/enrolments");
    place.replaceChildren(...drawn(run, enrolments, show));
    if (run?.state === "running") setTimeout(() => place.isConnected && show(), POLL_MS);
  };
  await show();
  return [place];
}

function drawn(run, enrolments, show) {
  const problem = h("p", { class: "spoof", role: "alert" });
  const guarded = (act) => async (event) => {
    event.preventDefault();
    try { problem.textContent = ""; await act(event); } catch (error) { problem.textContent = error.message; }
  };
  const undo = (id) => guarded(async () => show(await send("v1/enrolments/undo", { id })));
  const folder = (name) => h("input", { type: "file", name, multiple: true, webkitdirectory: true });
  const form = h("form", { onsubmit: guarded(async () => {
    const body = new FormData();
    for (const input of form.querySelectorAll("input[type=file]")) {
      for (const file of input.files) body.append(input.name, file, file.webkitRelativePath || file.name);
    }
    body.append("reason", form.querySelector("[name=reason]").value);
    await ask("v1/enrolments", { method: "POST", body });
    await show();
  }) },
  h("label", {}, "People on this line, one folder a person ", folder("real")), h("br"),
  h("label", {}, "Fakes on this line (optional) ", folder("fake")), h("br"),
  h("label", {}, "Or: the site's own voice ", folder("own_voice")), h("br"),
  h("label", {}, "Reason ", h("input", { type: "text", name: "reason", maxlength: 500 })), " ",
  h("button", { disabled: run?.state === "running" }, "Enrol"));
  return [h("h2", {}, "This line and its own voices"),
    h("p", { class: "muted" }, "Recordings of known people as they sound here move the operating point of this site; its own voices raise no alert."),
    run && h("p", { role: "status" }, run.state === "running" ? "Measuring …" : run.state === "done" ? "Enrolled:" : "Refused:"),
    ...(run ? run.lines.map((line) => h("p", { class: "small muted" }, line)) : []),
    enrolments.length ? table(["kind", "by", "recordings", "offset, nats", "measured with", ""], enrolments.map((one) => [
      one.kind + (one.in_effect ? "" : " (replaced)"), one.admin, `${one.recordings}, ${one.with_audio} with audio`,
      one.offset_llr === null ? "" : one.offset_llr.toFixed(2), one.bundles.join(", "),
      h("button", { onclick: undo(one.id), "aria-label": `Undo ${one.kind} ${one.id.slice(0, 8)}` }, "Undo")])) : h("p", { class: "muted" }, "Nothing is enrolled."),
    form, problem].filter(Boolean);
}
