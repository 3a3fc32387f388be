// What makes the pages pleasant. All of them work without it.

const all = (selector) => document.querySelectorAll(selector)

for (const one of all("[data-js]")) one.hidden = false

// A page out of the browser's memory may be one of before signing out: it is asked for anew.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload() })

// A mailed token stands behind the # of the address, where no server sees it. It acts by the form alone.
for (const field of all("[data-fragment]")) {
  if (!location.hash.includes("token=")) continue
  field.querySelector("input").value = location.hash.slice(1)
  field.hidden = true
  history.replaceState(null, "", location.pathname + location.search)
}

const gaps = /[\s-]/g
for (const input of all("[data-code]")) {
  let waiting
  input.addEventListener("input", () => {
    clearTimeout(waiting)
    const typed = input.value.replace(gaps, "")
    if (/\s/.test(input.value) && /^\d{0,6}$/.test(typed)) input.value = typed
    const form = input.form
    // A backup code may begin with six digits: whoever types on is not interrupted.
    if (/^\d{6}$/.test(typed) && "submits" in form.dataset && form.checkValidity()) {
      waiting = setTimeout(() => form.requestSubmit(), 300)
    }
  })
}

// One form is sent once, however often somebody clicks.
for (const form of all("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault()
    form.dataset.sent = "yes"
    setTimeout(() => delete form.dataset.sent, 4000)
  })
}

for (const button of all("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal)
  button.addEventListener("click", () => {
    const shown = input.type === "text"
    input.type = shown ? "password" : "text"
    const other = button.dataset.other
    button.dataset.other = button.textContent
    button.textContent = other
  })
  // What stands in a field of text is what browsers offer the next one who types there.
  input.form.addEventListener("submit", () => { input.type = "password" })
}

const textOf = (id, squeeze) => {
  const found = document.getElementById(id)
  const lines = [...found.querySelectorAll("li")].map((line) => line.textContent.trim())
  const text = lines.length ? lines.join("\n") + "\n" : found.textContent.trim()
  return squeeze ? text.replace(/\s/g, "") : text
}

for (const button of all("[data-copy]")) {
  button.addEventListener("click", async () => {
    const before = button.textContent
    try {
      await navigator.clipboard.writeText(textOf(button.dataset.copy, "squeeze" in button.dataset))
      button.textContent = button.dataset.done
      setTimeout(() => { button.textContent = before }, 2500)
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy))
    }
  })
}

for (const button of all("[data-download]")) {
  button.addEventListener("click", () => {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([textOf(button.dataset.download)], { type: "text/plain" }))
    link.download = button.dataset.file
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  })
}

for (const button of all("[data-print]")) button.addEventListener("click", () => print())
