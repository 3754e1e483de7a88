// HeadAudio and wawa-lipsync outside a browser, by virtual time: 60 pictures a second, sound in blocks of 128 samples.
//   node visemes.mjs headaudio|wawa FOLDER_WITH_NODE_MODULES
// then, on standard input, the path of a 16-bit mono WAV per line; on standard output one line of JSON each:
//   {cpu_s, stand_in_s, times_s, own: weights of the 15 visemes by the program's own easing or null, active: index or -1}
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

const [, , program, folder] = process.argv;
const modules = path.join(folder, 'node_modules');
const PICTURES_A_SECOND = 60;
const BLOCK = 128;

function readWav(name) {
  const file = fs.readFileSync(name);
  const data = file.indexOf('data') + 8;
  const length = file.length - data - ((file.length - data) % 2);
  const pcm = new Int16Array(file.buffer.slice(file.byteOffset + data, file.byteOffset + data + length));
  return { rate: file.readUInt32LE(24), samples: Float32Array.from(pcm, (value) => value / 32768) };
}

async function makeHeadAudio() {
  globalThis.AudioWorkletNode = class { constructor() { this.port = { onmessage: null, postMessage() {} }; } };
  const home = path.join(modules, '@met4citizen', 'headaudio');
  const load = (name) => import(path.join(home, 'modules', name));
  const { Processor } = await load('processor.mjs');
  const { Training } = await load('training.mjs');
  const { HeadAudio } = await load('headaudio.mjs');
  const parameters = await load('parameters.mjs');
  const bytes = Uint8Array.from(fs.readFileSync(path.join(home, 'dist', 'model-en-mixed.bin'))).buffer;
  const training = new Training();
  const model = [];
  for (let at = 0; at + parameters.RECORD_OFFSET <= bytes.byteLength; at += parameters.RECORD_OFFSET)
    model.push(training.decodeBinaryRecord(new Float32Array(bytes, at, parameters.RECORD_LEN)));
  const { version } = JSON.parse(fs.readFileSync(path.join(home, 'package.json')));
  const hear = ({ rate, samples }) => {
    const face = new HeadAudio(null);
    let active = -1;
    const port = {
      onmessage: null,
      postMessage(event) {
        face._onmessage({ data: event });
        if (event.event === 'viseme') active = event.viseme; // 0, "aa", too, which the face above leaves out
        if (event.event === 'ended') active = -1;
      },
    };
    const options = { sampleRate: rate, processorOptions: { visemeEventsEnabled: false }, parameterData: {} };
    const processor = new Processor(options, { port });
    processor._onmessage({ data: { event: 'model', model } });
    const found = { times_s: [], own: [], active: [], stand_in_s: 0 };
    for (let at = 0; at + BLOCK <= samples.length; at += BLOCK) {
      processor.process(samples.subarray(at, at + BLOCK));
      while ((at + BLOCK) / rate >= (found.times_s.length + 1) / PICTURES_A_SECOND) {
        face.update(1000 / PICTURES_A_SECOND);
        found.times_s.push((found.times_s.length + 1) / PICTURES_A_SECOND);
        found.own.push(face.visemeAlphas.map((alpha) => face.easing(alpha)));
        found.active.push(active);
      }
    }
    return found;
  };
  return { version, hear };
}

// The AnalyserNode of the Web Audio standard: Blackman window, FFT, smoothing 0.8, -100 to -30 dB as 0 to 255.
class StandInAnalyser {
  static heard = { samples: new Float32Array(0), end: 0 };
  static usedUs = 0;
  constructor() { this.fftSize = 2048; this.smoothed = null; }
  get frequencyBinCount() { return this.fftSize / 2; }
  connect() {}
  getByteFrequencyData(into) {
    const before = process.cpuUsage();
    const n = this.fftSize;
    this.smoothed ??= new Float64Array(n / 2);
    const real = new Float64Array(n), imaginary = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const at = StandInAnalyser.heard.end - n + i;
      const phase = (2 * Math.PI * i) / n;
      const window = 0.42 - 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase);
      real[i] = at >= 0 ? StandInAnalyser.heard.samples[at] * window : 0;
    }
    transform(real, imaginary);
    for (let k = 0; k < n / 2; k++) {
      this.smoothed[k] = 0.8 * this.smoothed[k] + (0.2 * Math.hypot(real[k], imaginary[k])) / n;
      into[k] = Math.max(0, Math.min(255, Math.floor((255 / 70) * (20 * Math.log10(this.smoothed[k] + 1e-30) + 100))));
    }
    const used = process.cpuUsage(before);
    StandInAnalyser.usedUs += used.user + used.system;
  }
}

function transform(real, imaginary) { // FFT in place, radix 2
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const cosine = Math.cos((2 * Math.PI * k) / size), sine = -Math.sin((2 * Math.PI * k) / size);
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const r = real[b] * cosine - imaginary[b] * sine, i = real[b] * sine + imaginary[b] * cosine;
        real[b] = real[a] - r;
        imaginary[b] = imaginary[a] - i;
        real[a] += r;
        imaginary[a] += i;
      }
    }
  }
}

async function makeWawa() {
  const home = path.join(modules, 'wawa-lipsync');
  let rate = 44100, now = 0;
  globalThis.window = {
    AudioContext: class {
      constructor() { this.sampleRate = rate; this.destination = {}; }
      createAnalyser() { return new StandInAnalyser(); }
      resume() {}
    },
  };
  performance.now = () => now;
  const { Lipsync } = await import(path.join(home, 'dist', 'wawa-lipsync.es.js'));
  const { version } = JSON.parse(fs.readFileSync(path.join(home, 'package.json')));
  const names = ['aa', 'E', 'I', 'O', 'U', 'PP', 'SS', 'TH', 'DD', 'FF', 'kk', 'nn', 'RR', 'CH', 'sil'];
  const hear = (sound) => {
    rate = sound.rate;
    now = 0;
    StandInAnalyser.usedUs = 0;
    const lips = new Lipsync();
    const found = { times_s: [], own: null, active: [] };
    for (let n = 1; n / PICTURES_A_SECOND <= sound.samples.length / rate; n++) {
      StandInAnalyser.heard = { samples: sound.samples, end: Math.floor((n * rate) / PICTURES_A_SECOND) };
      now = (n * 1000) / PICTURES_A_SECOND;
      lips.processAudio();
      found.times_s.push(n / PICTURES_A_SECOND);
      found.active.push(names.indexOf(lips.viseme.replace('viseme_', '')));
    }
    return { ...found, stand_in_s: StandInAnalyser.usedUs / 1e6 };
  };
  return { version, hear };
}

const { version, hear } = program === 'headaudio' ? await makeHeadAudio() : await makeWawa();
console.log(JSON.stringify({ version, node: process.version }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const sound = readWav(line.trim());
  const before = process.cpuUsage();
  const found = hear(sound);
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({ cpu_s: (used.user + used.system) / 1e6, ...found }));
}
