/* Search of pages opened from a disk: browsers refuse workers there, so an invisible frame does the work.
 * The interface is that of Worker, as far as the search uses it: url, postMessage, "message" events. */
(() => {
  if (location.protocol !== "file:") return
  const inside = `
    postMessage = message => parent.postMessage(message, "*")
    importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise(done => {
      const script = document.createElement("script")
      script.src = url
      script.onload = done
      document.body.appendChild(script)
    })), Promise.resolve())`
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.title = "Search"
      document.body.appendChild(this.frame)
      const own = this.frame.contentWindow
      own.document.write(`<html><body><script>${inside}<\/script><script src="${url}"><\/script></body></html>`)
      this.ready = new Promise(done => { own.onload = done }) // after `write`, which takes handlers away
      own.document.close()
      window.addEventListener("message", event => {
        if (event.source === own) this.dispatchEvent(new MessageEvent("message", {data: event.data}))
      })
    }
    async postMessage(data) {
      await this.ready
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data}))
    }
    terminate() { this.frame.remove() }
  }
})()
