// What the pages behind links share: each takes a secret from the link and hands it over when its form is sent.
function offer({ incomplete, path, body, done }) {
  const token = location.hash.slice(1);
  // The secret must not stay in the address bar, the history or a screenshot.
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("form"), said = document.getElementById("said"), send = document.getElementById("send");
  if (!token) {
    said.textContent = incomplete;
    send.disabled = true;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    said.textContent = "One moment…";
    try {
      const answer = await fetch(path, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body(token, form)),
      });
      const told = answer.status === 204 ? null : await answer.json();
      if (answer.ok) {
        form.hidden = true;
        said.textContent = done(told);
        return;
      }
      said.textContent = [told.detail, ...(told.errors ?? []).map((error) => `${error.field}: ${error.message}`)].join("\n");
    } catch {
      said.textContent = "The server does not answer. Try again in a moment.";
    }
    send.disabled = false;
  });
}
