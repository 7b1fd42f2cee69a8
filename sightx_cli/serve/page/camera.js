// One photo from a camera of this device; where the browser gives none, its own way of taking one is used.

export class Camera {
  constructor(elements, take) {
    this.parts = elements;
    this.stream = null;
    this.facing = "environment";
    elements.shoot.addEventListener("click", () => this.shoot(take));
    elements.turn.addEventListener("click", () => this.turn());
    elements.close.addEventListener("click", () => this.close());
    elements.panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    elements.capture.addEventListener("change", () => {
      take([...elements.capture.files]);
      elements.capture.value = "";
    });
  }

  async open(opener) {
    this.opener = opener;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.parts.capture.click(); // browsers give a camera to pages of this machine or over HTTPS alone
      return;
    }
    this.parts.words.textContent = "Waiting for the camera; the browser may ask you to allow it.";
    this.parts.panel.hidden = false;
    await this.start();
  }

  async start() {
    this.stop();
    this.parts.shoot.disabled = true;
    try {
      const wanted = { facingMode: this.facing, width: { ideal: 4096 }, height: { ideal: 4096 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      const why = error.name === "NotAllowedError" ? "The browser was not allowed to use the camera." : "No camera could be opened.";
      this.parts.words.textContent = `${why} Choose an image file instead.`;
      return;
    }
    if (this.parts.panel.hidden) return this.stop(); // closed while the browser asked
    this.parts.video.srcObject = this.stream;
    await this.parts.video.play();
    this.parts.words.textContent = "";
    this.parts.shoot.disabled = false;
    this.parts.shoot.focus();
    const devices = await navigator.mediaDevices.enumerateDevices();
    this.parts.turn.hidden = devices.filter((device) => device.kind === "videoinput").length < 2;
  }

  turn() {
    this.facing = this.facing === "environment" ? "user" : "environment";
    this.start();
  }

  async shoot(take) {
    const { video } = this.parts;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    this.close();
    take([new File([blob], `photo ${time}.jpg`, { type: "image/jpeg" })]);
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.parts.video.srcObject = null;
  }

  close() {
    this.stop();
    this.parts.panel.hidden = true;
    this.opener?.focus();
  }
}
