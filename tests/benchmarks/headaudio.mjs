// HeadAudio outside a browser: its processor with a port that only takes notes. One line in, one line of JSON out.
//   node headaudio.mjs FOLDER_WITH_NODE_MODULES   then, on standard input, the path of a 16-bit mono WAV per line
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

const home = path.join(process.argv[2], 'node_modules', '@met4citizen', 'headaudio');
const { Processor } = await import(path.join(home, 'modules', 'processor.mjs'));
const { Training } = await import(path.join(home, 'modules', 'training.mjs'));
const parameters = await import(path.join(home, 'modules', 'parameters.mjs'));
const { version } = JSON.parse(fs.readFileSync(path.join(home, 'package.json')));

function prototypes() {
  const file = fs.readFileSync(path.join(home, 'dist', 'model-en-mixed.bin'));
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
  const training = new Training();
  const found = [];
  for (let at = 0; at + parameters.RECORD_OFFSET <= bytes.byteLength; at += parameters.RECORD_OFFSET)
    found.push(training.decodeBinaryRecord(new Float32Array(bytes, at, parameters.RECORD_LEN)));
  return found;
}

function readWav(name) {
  const file = fs.readFileSync(name);
  const data = file.indexOf('data') + 8;
  const pcm = new Int16Array(file.buffer.slice(file.byteOffset + data, file.byteOffset + file.length - (file.length - data) % 2));
  return { rate: file.readUInt32LE(24), samples: Float32Array.from(pcm, (value) => value / 32768) };
}

const model = prototypes();
console.log(JSON.stringify({ version, node: process.version }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { rate, samples } = readWav(line.trim());
  const events = [];
  let heard = 0;
  const port = { onmessage: null, postMessage: (event) => events.push({ ...event, known_s: heard / rate }) };
  const processor = new Processor({ sampleRate: rate, processorOptions: { visemeEventsEnabled: true } }, { port });
  processor._onmessage({ data: { event: 'model', model } });
  const before = process.cpuUsage();
  for (let at = 0; at + 128 <= samples.length; at += 128) {
    heard = at + 128;
    processor.process(samples.subarray(at, at + 128));
  }
  const used = process.cpuUsage(before);
  const visemes = events.filter((event) => event.event === 'viseme')
    .map((event) => ({ viseme: event.viseme, about_s: event.t, known_s: event.known_s }));
  console.log(JSON.stringify({ cpu_s: (used.user + used.system) / 1e6, audio_s: samples.length / rate, visemes }));
}
