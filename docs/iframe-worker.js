// Browsers start no worker from disk (file:), and the search runs in one. There, this stands in for
// it: the same script in a hidden frame. Material's `offline` plugin would fetch such a script.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const page = this.frame.contentDocument;
      page.open();
      page.write("<!doctype html><title>worker</title><body></body>");
      page.close();
      this.scope = this.frame.contentWindow;
      this.scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = page.createElement("script");
      script.src = new URL(url, location.href);
      this.started = new Promise((resolve) => (script.onload = resolve));
      script.onerror = () => this.dispatchEvent(new Event("error"));
      page.body.append(script);
    }

    postMessage(data) {
      const told = () => this.scope.dispatchEvent(new MessageEvent("message", { data }));
      this.started.then(told);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
