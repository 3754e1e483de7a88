// The WebSocket to the server: comes back for ever, and tells how the server's clock stands to ours.
import { ServerClock } from "./clock";
import { readBinary, type Frame, type Sound, type Status } from "./wire";

export interface Hello {
  drive: boolean; // whether outputs take faces from the sliders
  moods: string[]; // what the program can be asked for; none where it takes no wishes
  gestures: string[];
}

export interface Listener {
  onNames(names: string[]): void;
  onFrame(frame: Frame): void;
  onSound(sound: Sound): void;
  onStatus(status: Status): void;
  onHello(hello: Hello): void;
  onRefused(why: string): void;
  onConnected(isConnected: boolean): void;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 3000;
const PING_MS = 2000;
const SILENCE_MS = 8000; // the server speaks once a second; a link silent so long is dead

export class Connection {
  readonly clock = new ServerClock();
  private socket: WebSocket | undefined;
  private retryMs = FIRST_RETRY_MS;
  private heardMs = 0;
  private wantsSound = false;

  constructor(private readonly listener: Listener) {}

  open(): void {
    this.connect();
    setInterval(() => this.keepAlive(), PING_MS);
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardMs = performance.now();
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.clock.restart();
      this.listener.onConnected(true);
      this.ping();
      if (this.wantsSound) this.send({ type: "sound", on: true });
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      this.heardMs = performance.now();
      this.hear(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      this.listener.onConnected(false);
      setTimeout(() => this.connect(), this.retryMs);
      this.retryMs = Math.min(this.retryMs * 1.6, LONGEST_RETRY_MS);
    };
  }

  private hear(data: ArrayBuffer | string): void {
    if (typeof data !== "string") {
      const message = readBinary(data);
      if (message && "values" in message) this.listener.onFrame(message);
      else if (message) this.listener.onSound(message);
      return;
    }
    const message = JSON.parse(data) as { type: string; [key: string]: unknown };
    if (message.type === "names") this.listener.onNames(message.names as string[]);
    else if (message.type === "status") this.listener.onStatus(message as unknown as Status);
    else if (message.type === "hello") this.listener.onHello(message as unknown as Hello);
    else if (message.type === "refused") this.listener.onRefused(String(message.why));
    else if (message.type === "pong") {
      const tripS = (performance.now() - (message.sent as number)) / 1000;
      this.clock.learn(tripS, message.unix_s as number, Date.now() / 1000);
    }
  }

  private keepAlive(): void {
    if (this.socket?.readyState === WebSocket.OPEN && performance.now() - this.heardMs > SILENCE_MS) {
      this.socket.close();
      return;
    }
    this.ping();
  }

  private ping(): void {
    this.send({ type: "ping", sent: performance.now() });
  }

  subscribeToSound(on: boolean): void {
    this.wantsSound = on;
    this.send({ type: "sound", on });
  }

  send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
