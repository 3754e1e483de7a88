// A glTF head whose morph targets carry ARKit names: ours, or any that a user drops in.
import { MathUtils, Mesh, Object3D, type Group } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { mouthLight, refineMaterial } from "./materials";
import { completeMorphs } from "./normals";

export interface HeadRotation {
  pitch: number; // degrees, up positive
  yaw: number; // degrees, to the speaker's left positive
  roll: number; // degrees, to the speaker's right shoulder positive
}

const MOUTH_LIT_AT = 0.3; // of an opening at which the front teeth stand in full light

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
