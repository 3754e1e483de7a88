// Sliders that drive the face by hand and, where the server lets them, the outputs.
import type { Connection } from "./connection";
import { element } from "./page";
import type { Override } from "./player";

const SEND_MS = 33;
const HEAD_AXES = ["pitch", "yaw", "roll"] as const;
const LARGEST_TURN_DEG = 40;

export class Sliders implements Override {
  private readonly values: Float32Array;
  private readonly head: [number, number, number] = [0, 0, 0];
  private readonly drive = element("drive", HTMLInputElement);
  private readonly sendBox = element("send", HTMLInputElement);
  private readonly inputs: { input: HTMLInputElement; show: () => void }[] = [];

  constructor(
    private readonly names: string[],
    private readonly connection: Connection,
  ) {
    this.values = new Float32Array(names.length);
    const list = element("sliders", HTMLDivElement);
    HEAD_AXES.forEach((axis, i) => {
      this.addSlider(list, `head ${axis}`, -LARGEST_TURN_DEG, LARGEST_TURN_DEG, 1, "°", (value) => {
        this.head[i] = value;
      });
    });
    names.forEach((name, i) => {
      this.addSlider(list, name, 0, 1, 0.01, "", (value) => {
        this.values[i] = value;
      });
    });
    element("reset", HTMLButtonElement).onclick = () => {
      for (const { input, show } of this.inputs) {
        input.value = "0";
        show();
      }
    };
    setInterval(() => this.send(), SEND_MS);
    this.allowSending(false);
  }

  private addSlider(
    list: HTMLElement,
    name: string,
    low: number,
    high: number,
    step: number,
    unit: string,
    set: (value: number) => void,
  ): void {
    const label = document.createElement("label");
    const title = document.createElement("span");
    title.textContent = name;
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: String(low), max: String(high), step: String(step), value: "0" });
    input.dataset.channel = name;
    const output = document.createElement("output");
    const show = (): void => {
      set(Number(input.value));
      output.textContent = `${Number(input.value).toFixed(step < 1 ? 2 : 0)}${unit}`;
    };
    input.oninput = () => {
      this.drive.checked = true;
      show();
    };
    show();
    label.append(title, input, output);
    list.append(label);
    this.inputs.push({ input, show });
  }

  allowSending(isAllowed: boolean): void {
    this.sendBox.disabled = !isAllowed;
    if (!isAllowed) this.sendBox.checked = false;
    element("send-text", HTMLParagraphElement).textContent = isAllowed
      ? ""
      : "The program does not take faces from this page.";
  }

  pose(): { names: string[]; values: Float32Array; head: [number, number, number] } | undefined {
    return this.drive.checked ? { names: this.names, values: this.values, head: this.head } : undefined;
  }

  private send(): void {
    if (!this.drive.checked || !this.sendBox.checked) return;
    const au = Object.fromEntries(this.names.map((name, i) => [name, this.values[i]]));
    this.connection.send({ type: "drive", au, head: this.head });
  }
}
