// What comes over the WebSocket; the layout is told in edge/head/wire.py.
export const STATES = ["live", "silence", "held", "neutral", "stopping"] as const;
export type State = (typeof STATES)[number];

export interface Frame {
  sequence: number;
  captureUnixS: number;
  arrivalUnixS: number;
  state: State;
  head: [number, number, number]; // pitch, yaw, roll, degrees
  values: Float32Array;
}

export interface Sound {
  rateHz: number;
  startUnixS: number;
  samples: Int16Array;
}

export interface Status {
  pages: number;
  shown: number;
  lost: number;
  late: number;
  refused: number;
  others: number;
  rate_hz: number;
  source: string;
}

const FRAME_BYTES = 40;
const SOUND_BYTES = 16;

export function readBinary(data: ArrayBuffer): Frame | Sound | undefined {
  const view = new DataView(data);
  if (data.byteLength >= FRAME_BYTES && view.getUint8(0) === 1) {
    const count = view.getUint16(2, true);
    const state = STATES[view.getUint8(1)];
    if (!state || data.byteLength !== FRAME_BYTES + 4 * count) return undefined;
    return {
      state,
      sequence: view.getUint32(4, true),
      captureUnixS: view.getFloat64(8, true),
      arrivalUnixS: view.getFloat64(16, true),
      head: [view.getFloat32(24, true), view.getFloat32(28, true), view.getFloat32(32, true)],
      values: new Float32Array(data, FRAME_BYTES, count),
    };
  }
  if (data.byteLength >= SOUND_BYTES && view.getUint8(0) === 2) {
    return {
      rateHz: view.getUint32(4, true),
      startUnixS: view.getFloat64(8, true),
      samples: new Int16Array(data, SOUND_BYTES, Math.floor((data.byteLength - SOUND_BYTES) / 2)),
    };
  }
  return undefined;
}
