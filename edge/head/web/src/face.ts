// A glTF head whose morph targets carry ARKit names: ours, or any that a user drops in.
import {
  AdditiveBlending,
  BufferAttribute,
  MathUtils,
  Mesh,
  MeshPhysicalMaterial,
  MeshStandardMaterial,
  Object3D,
  ShaderChunk,
  SRGBColorSpace,
  type BufferGeometry,
  type Group,
} from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

export interface HeadRotation {
  pitch: number; // degrees, up positive
  yaw: number; // degrees, to the speaker's left positive
  roll: number; // degrees, to the speaker's right shoulder positive
}

const HEM_FADE = 0.35; // of the garment's height
const MOUTH_LIT_AT = 0.3; // of an opening at which the front teeth stand in full light
const mouthLight = { value: 1 };

/** How much of the head's rotation the neck takes, where the model has both. */
const NECK_SHARE = 0.4;

interface Morph {
  influences: number[];
  index: number;
}

export class Face {
  readonly scene: Group;
  readonly names: string[];
  private readonly morphs = new Map<string, Morph[]>();
  private readonly head: Object3D | undefined;
  private readonly neck: Object3D | undefined;
  private readonly wholeHead: Object3D;

  private constructor(scene: Group, isOurs: boolean) {
    this.scene = scene;
    const names = new Set<string>();
    scene.traverse((node) => {
      if (!(node instanceof Mesh)) return;
      node.frustumCulled = false;
      completeMorphs(node.geometry);
      if (isOurs) refineMaterial(node);
      if (!node.morphTargetDictionary || !node.morphTargetInfluences) return;
      for (const [name, index] of Object.entries(node.morphTargetDictionary)) {
        const key = channelKey(name);
        names.add(name);
        const list = this.morphs.get(key) ?? [];
        list.push({ influences: node.morphTargetInfluences, index });
        this.morphs.set(key, list);
      }
    });
    this.names = [...names].sort();
    this.head = findJoint(scene, /^head$/i) ?? findJoint(scene, /head/i);
    this.neck = findJoint(scene, /^neck$/i);
    this.wholeHead = scene;
  }

  static async load(url: string): Promise<Face> {
    const gltf = await new GLTFLoader().loadAsync(url);
    return new Face(gltf.scene, /^au-edge/.test(String(gltf.asset.generator)));
  }

  /** Sets one channel; names are compared without case, underscores and _L/_R spelling. */
  set(name: string, value: number): void {
    const list = this.morphs.get(channelKey(name));
    if (!list) return;
    const safe = Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
    for (const morph of list) morph.influences[morph.index] = safe;
  }

  get(name: string): number | undefined {
    const morph = this.morphs.get(channelKey(name))?.[0];
    return morph?.influences[morph.index];
  }

  has(name: string): boolean {
    return this.morphs.has(channelKey(name));
  }

  /** Lets as much light into the mouth as its opening admits; called before each picture. */
  shadeMouth(): void {
    const at = (name: string): number => this.get(name) ?? 0;
    const parted = at("jawOpen") - at("mouthClose") + 0.5 * (at("mouthFunnel") + at("mouthLowerDownLeft"));
    const bared = at("mouthUpperUpLeft") + at("mouthSmileLeft") * 0.3;
    mouthLight.value = Math.min(1, Math.max(0, (parted + 0.5 * bared) / MOUTH_LIT_AT));
  }

  /** Turns the head. Seen by the viewer a yaw to the speaker's left goes to the right of the screen. */
  turn(rotation: HeadRotation): void {
    const apply = (node: Object3D, share: number): void => {
      node.rotation.set(
        MathUtils.degToRad(-rotation.pitch * share),
        MathUtils.degToRad(rotation.yaw * share),
        MathUtils.degToRad(rotation.roll * share),
        "YXZ",
      );
    };
    if (this.head && this.neck) {
      apply(this.neck, NECK_SHARE);
      apply(this.head, 1 - NECK_SHARE);
    } else {
      apply(this.head ?? this.wholeHead, 1);
    }
  }
}

/** "eyeBlink_L", "EyeBlinkLeft" and "eyeBlinkLeft" are one channel. */
export function channelKey(name: string): string {
  return name
    .replace(/_?L$/, "Left")
    .replace(/_?R$/, "Right")
    .replace(/_/g, "")
    .toLowerCase();
}

function findJoint(root: Object3D, pattern: RegExp): Object3D | undefined {
  let found: Object3D | undefined;
  root.traverse((node) => {
    if (!found && !(node instanceof Mesh) && node !== root && pattern.test(node.name)) found = node;
  });
  return found;
}

/**
 * Gives every morph target normals. Leaving them out of the file halves it; they follow from the shapes: the normals of
 * the moved surface less those of the surface at rest, and only triangles that move count.
 */
function completeMorphs(geometry: BufferGeometry): void {
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

/** Makes the materials of our own file look alive; those of other files stay as their author made them. */
function refineMaterial(mesh: Mesh): void {
  const plain = mesh.material;
  if (!(plain instanceof MeshStandardMaterial)) return;
  mesh.castShadow = plain.name === "skin";
  mesh.receiveShadow = plain.name === "skin" || plain.name === "garment" || plain.name === "tongue";
  if (plain.name === "skin") {
    if (plain.map) plain.map.colorSpace = SRGBColorSpace;
    const skin = new MeshPhysicalMaterial({
      name: "skin",
      map: plain.map,
      vertexColors: plain.vertexColors,
      roughness: 0.5,
      sheen: 0.12,
      sheenRoughness: 0.55,
      specularIntensity: 0.4,
    });
    skin.sheenColor.setRGB(0.9, 0.55, 0.45);
    skin.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace(
        "#include <lights_physical_pars_fragment>",
        SKIN_LIGHTS,
      );
    };
    mesh.material = skin;
  } else if (plain.name === "teeth") {
    shadeTeeth(plain, mesh.geometry);
  } else if (plain.name === "garment") {
    fadeHem(plain, mesh.geometry);
  } else if (plain.name === "cornea") {
    plain.depthWrite = false; // only what it reflects is seen: added to the iris behind it
    plain.blending = AdditiveBlending;
    plain.color.setScalar(0);
    plain.opacity = 1;
    mesh.renderOrder = 1;
  }
}

/** Returns the least and the greatest coordinate at rest (three's own bounding box includes every shape). */
function extent(geometry: BufferGeometry, coordinate: "getX" | "getY"): [number, number] {
  const rest = geometry.attributes.position!;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < rest.count; i++) {
    low = Math.min(low, rest[coordinate](i));
    high = Math.max(high, rest[coordinate](i));
  }
  return [low, high];
}

/** Lips and cheeks keep light from the teeth: the more, the further at the side and the more the mouth is closed. */
function shadeTeeth(material: MeshStandardMaterial, geometry: BufferGeometry): void {
  const [left, right] = extent(geometry, "getX");
  material.onBeforeCompile = (shader) => {
    shader.uniforms.mouthLight = mouthLight;
    shader.uniforms.archHalf = { value: Math.max(1e-6, right - left) / 2 };
    shader.uniforms.archMiddle = { value: (left + right) / 2 };
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nuniform float archHalf, archMiddle;\nvarying float archSide;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\narchSide = abs(position.x - archMiddle) / archHalf;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", "#include <common>\nuniform float mouthLight;\nvarying float archSide;")
      .replace(
        "#include <opaque_fragment>",
        `outgoingLight *= mix(0.07, 1.0, mouthLight) * mix(1.0, 0.12, smoothstep(0.45, 0.95, archSide));
         #include <opaque_fragment>`,
      );
  };
}

/** The bust ends somewhere: its lowest part fades into the background. */
function fadeHem(material: MeshStandardMaterial, geometry: BufferGeometry): void {
  const [low, high] = extent(geometry, "getY");
  material.transparent = true;
  material.onBeforeCompile = (shader) => {
    shader.uniforms.hemLow = { value: low };
    shader.uniforms.hemHigh = { value: low + HEM_FADE * (high - low) };
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nuniform float hemLow, hemHigh;\nvarying float aboveHem;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\naboveHem = (position.y - hemLow) / (hemHigh - hemLow);");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", "#include <common>\nvarying float aboveHem;")
      .replace("#include <opaque_fragment>", "diffuseColor.a *= smoothstep(0.1, 1.0, aboveHem);\n#include <opaque_fragment>");
  };
}

/**
 * Light that enters skin leaves it again beside the edge of its shadow, reddest furthest: the cosine is let run past
 * zero by an amount per colour ("wrapped" diffuse); what is mirrored keeps the plain cosine.
 * Source: S. Green, GPU Gems, chapter 16.
 */
const SKIN_LIGHTS = ShaderChunk.lights_physical_pars_fragment
  .replace(
    "vec3 irradiance = dotNL * directLight.color;",
    `vec3 skinWrap = vec3(0.34, 0.16, 0.11);
     float skinCosine = dot(geometryNormal, directLight.direction);
     vec3 mirrored = dotNL * directLight.color;
     vec3 irradiance = clamp((vec3(skinCosine) + skinWrap) / (1.0 + skinWrap), 0.0, 1.0) * directLight.color;`,
  )
  .replaceAll("directSpecular += irradiance *", "directSpecular += mirrored *")
  .replaceAll("Specular += irradiance * BRDF_Sheen", "Specular += mirrored * BRDF_Sheen");
