// Record, play back in step with the sound, scrub, export, open.
import type { Connection } from "./connection";
import { element } from "./page";
import type { Override } from "./player";
import { Recorder, Recording } from "./recording";
import type { Frame, Sound } from "./wire";

export class Replay implements Override {
  recording: Recording | undefined;
  private readonly recorder = new Recorder();
  private readonly audio = new Audio();
  private isShown = false;
  private startMs = 0;
  private positionS = 0;
  private isPlaying = false;
  private readonly recordButton = element("record", HTMLButtonElement);
  private readonly playButton = element("play", HTMLButtonElement);
  private readonly liveButton = element("live", HTMLButtonElement);
  private readonly exportButton = element("export", HTMLButtonElement);
  private readonly scrub = element("scrub", HTMLInputElement);
  private readonly files = element("files", HTMLInputElement);

  constructor(
    private readonly connection: Connection,
    private readonly names: () => string[],
  ) {
    this.recordButton.onclick = () => this.toggleRecording();
    this.playButton.onclick = () => (this.isPlaying ? this.pause() : void this.play());
    this.liveButton.onclick = () => this.leave();
    this.exportButton.onclick = () => this.export();
    this.scrub.oninput = () => this.seek(Number(this.scrub.value));
    this.files.onchange = () => void this.open([...(this.files.files ?? [])]);
  }

  pushFrame(frame: Frame): void {
    this.recorder.pushFrame(frame);
  }

  pushSound(sound: Sound): void {
    this.recorder.pushSound(sound);
  }

  private say(text: string): void {
    element("record-text", HTMLParagraphElement).textContent = text;
  }

  private toggleRecording(): void {
    if (!this.recorder.isOn) {
      this.leave();
      this.recorder.start();
      this.connection.subscribeToSound(true);
      this.recordButton.textContent = "Stop recording";
      this.say("Recording.");
      return;
    }
    this.recordButton.textContent = "Record";
    this.take(this.recorder.stop(this.names()));
  }

  private take(recording: Recording): void {
    this.recording = recording;
    URL.revokeObjectURL(this.audio.src);
    if (recording.sound) this.audio.src = URL.createObjectURL(recording.sound);
    else this.audio.removeAttribute("src");
    const isEmpty = recording.lines.length === 0;
    for (const control of [this.playButton, this.exportButton, this.scrub]) control.disabled = isEmpty;
    this.scrub.max = String(recording.durationS);
    this.positionS = 0;
    const sound = recording.sound ? "with sound" : "without sound";
    this.say(
      isEmpty
        ? "Nothing arrived while recording."
        : `${recording.lines.length} frames, ${recording.durationS.toFixed(1)} s, ${sound}.`,
    );
  }

  async play(): Promise<void> {
    if (!this.recording) return;
    if (this.positionS >= this.recording.durationS - 0.05) this.positionS = 0;
    this.isShown = this.isPlaying = true;
    this.liveButton.disabled = false;
    this.playButton.textContent = "Pause";
    this.startMs = performance.now() - this.positionS * 1000;
    if (this.recording.sound) {
      this.audio.currentTime = this.positionS;
      await this.audio.play();
    }
  }

  pause(): void {
    this.positionS = this.nowS();
    this.isPlaying = false;
    this.playButton.textContent = "Play";
    this.audio.pause();
  }

  seek(positionS: number): void {
    this.positionS = positionS;
    this.startMs = performance.now() - positionS * 1000;
    this.isShown = true;
    this.liveButton.disabled = false;
    if (this.recording?.sound) this.audio.currentTime = positionS;
  }

  private leave(): void {
    if (this.isPlaying) this.pause();
    this.isShown = false;
    this.liveButton.disabled = true;
  }

  /** Returns where the replay is; the sound leads where there is any and it still plays. */
  nowS(): number {
    if (!this.isPlaying) return this.positionS;
    return this.recording?.sound && !this.audio.ended ? this.audio.currentTime : (performance.now() - this.startMs) / 1000;
  }

  pose(): { names: string[]; values: Float32Array; head: [number, number, number] } | undefined {
    if (!this.isShown || !this.recording) return undefined;
    const nowS = this.nowS();
    if (this.isPlaying) {
      this.scrub.value = String(nowS);
      if (nowS >= this.recording.durationS) {
        this.pause();
        this.positionS = this.recording.durationS;
      }
    }
    const line = this.recording.at(nowS);
    return line && { names: this.recording.names, values: line.values, head: line.head };
  }

  private export(): void {
    if (!this.recording) return;
    save(new Blob([this.recording.toJsonLines()], { type: "application/jsonl" }), "recording.jsonl");
    if (this.recording.sound) save(this.recording.sound, "recording.wav");
  }

  async open(files: File[]): Promise<void> {
    const frames = files.find((file) => file.name.endsWith(".jsonl"));
    if (!frames) {
      this.say("Choose a .jsonl file of frames, and with it the sound if there is any.");
      return;
    }
    try {
      const recording = Recording.fromJsonLines(await frames.text());
      recording.sound = files.find((file) => file !== frames);
      this.take(recording);
    } catch (error) {
      this.say(`${frames.name} is no recording: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
