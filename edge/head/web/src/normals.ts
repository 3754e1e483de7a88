// Normals for morph targets that have none.
import { BufferAttribute, type BufferGeometry } from "three";

/**
 * Gives every morph target normals. Leaving them out of the file halves it; they follow from the shapes: the normals of
 * the moved surface less those of the surface at rest, and only triangles that move count.
 */
export function completeMorphs(geometry: BufferGeometry): void {
  const targets = geometry.morphAttributes.position;
  const index = geometry.index;
  const rest = geometry.attributes.position;
  if (!targets || !index || !rest || geometry.morphAttributes.normal) return;
  const order = index.array;
  const at = new Float32Array(rest.count * 3);
  for (let i = 0; i < rest.count; i++) {
    at[3 * i] = rest.getX(i);
    at[3 * i + 1] = rest.getY(i);
    at[3 * i + 2] = rest.getZ(i);
  }
  const corners = trianglesOf(order, rest.count);
  const normals = new Float32Array(at.length);
  for (let t = 0; t < order.length; t += 3) addFacet(at, order, t, 1, normals);
  const moved = new Float32Array(at);
  const touched = new Int32Array(rest.count);
  const summed = new Int32Array(order.length / 3).fill(-1);
  geometry.morphAttributes.normal = targets.map((target, number) => {
    const move = target.array;
    const scale = target.normalized && move instanceof Int16Array ? 1 / 32767 : 1;
    let count = 0;
    for (let i = 0, k = 0; i < rest.count; i++, k += 3) {
      if (move[k] === 0 && move[k + 1] === 0 && move[k + 2] === 0) continue;
      touched[count++] = i;
      for (let axis = 0; axis < 3; axis++) moved[k + axis] = at[k + axis]! + move[k + axis]! * scale;
    }
    const change = new Float32Array(at.length);
    for (let n = 0; n < count; n++) {
      const vertex = touched[n]!;
      for (let c = corners.start[vertex]!; c < corners.start[vertex + 1]!; c++) {
        const triangle = corners.list[c]!;
        if (summed[triangle] === number) continue;
        summed[triangle] = number;
        addFacet(moved, order, 3 * triangle, 1, change);
        addFacet(at, order, 3 * triangle, -1, change);
      }
    }
    for (let n = 0; n < count; n++) {
      const k = 3 * touched[n]!;
      for (let axis = 0; axis < 3; axis++) moved[k + axis] = at[k + axis]!;
    }
    for (let k = 0; k < change.length; k += 3) {
      if (change[k] === 0 && change[k + 1] === 0 && change[k + 2] === 0) continue;
      const ax = normals[k]! + change[k]!;
      const ay = normals[k + 1]! + change[k + 1]!;
      const az = normals[k + 2]! + change[k + 2]!;
      const a = Math.hypot(ax, ay, az) || 1;
      const b = Math.hypot(normals[k]!, normals[k + 1]!, normals[k + 2]!) || 1;
      change[k] = ax / a - normals[k]! / b;
      change[k + 1] = ay / a - normals[k + 1]! / b;
      change[k + 2] = az / a - normals[k + 2]! / b;
    }
    return new BufferAttribute(change, 3);
  });
  geometry.morphTargetsRelative = true;
}

/** Lists the triangles of every vertex. */
function trianglesOf(order: ArrayLike<number>, nVertices: number): { start: Int32Array; list: Int32Array } {
  const start = new Int32Array(nVertices + 1);
  for (let i = 0; i < order.length; i++) start[order[i]! + 1]!++;
  for (let v = 0; v < nVertices; v++) start[v + 1]! += start[v]!;
  const next = start.slice();
  const list = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) list[next[order[i]!]!++] = Math.floor(i / 3);
  return { start, list };
}

/** Adds one triangle's area-weighted normal, times a sign, to its corners. */
function addFacet(at: Float32Array, order: ArrayLike<number>, t: number, sign: number, sums: Float32Array): void {
  const a = 3 * order[t]!;
  const b = 3 * order[t + 1]!;
  const c = 3 * order[t + 2]!;
  const ux = at[b]! - at[a]!;
  const uy = at[b + 1]! - at[a + 1]!;
  const uz = at[b + 2]! - at[a + 2]!;
  const vx = at[c]! - at[a]!;
  const vy = at[c + 1]! - at[a + 1]!;
  const vz = at[c + 2]! - at[a + 2]!;
  const x = sign * (uy * vz - uz * vy);
  const y = sign * (uz * vx - ux * vz);
  const z = sign * (ux * vy - uy * vx);
  sums[a]! += x;
  sums[a + 1]! += y;
  sums[a + 2]! += z;
  sums[b]! += x;
  sums[b + 1]! += y;
  sums[b + 2]! += z;
  sums[c]! += x;
  sums[c + 1]! += y;
  sums[c + 2]! += z;
}
