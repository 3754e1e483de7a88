// Renderer, camera, light and background.
import {
  ACESFilmicToneMapping,
  BackSide,
  Box3,
  Color,
  DirectionalLight,
  HemisphereLight,
  Mesh,
  MeshBasicMaterial,
  PCFShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  PMREMGenerator,
  Scene,
  SphereGeometry,
  Vector3,
  WebGLRenderer,
  type Texture,
} from "three";
import type { Face } from "./face";

export interface StageOptions {
  background: string; // a CSS colour
  camera: "face" | "bust" | "left" | "right";
  /** high: shadows, reflections, fine pixels; auto: high where a GPU draws, low where the processor must. */
  quality: "high" | "low" | "auto";
}

const MOST_PIXELS_PER_POINT = 2;
// A machine too slow for its screen draws fewer pixels: the movement matters more than the sharpness.
const SLOW_MS = 45;
const FEWEST_PIXELS_PER_POINT = 0.45;
const PACE_PICTURES = 12;
const LOWEST_LOOK_M = 0.11;

export class Stage {
  readonly renderer: WebGLRenderer;
  readonly scene = new Scene();
  readonly camera = new PerspectiveCamera(24, 1, 0.05, 10);
  private readonly look = new Vector3(0, 0, 0);
  private face: Face | undefined;
  private height = 0.3; // of the framed part, metres
  private readonly isFine: boolean;
  private pixelsPerPoint: number;
  private paceStartMs = 0;
  private pacePictures = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly options: StageOptions,
  ) {
    this.isFine = options.quality === "high" || (options.quality === "auto" && !drawsOnProcessor());
    this.pixelsPerPoint = Math.min(window.devicePixelRatio, this.isFine ? MOST_PIXELS_PER_POINT : 1);
    this.renderer = new WebGLRenderer({
      canvas,
      antialias: this.isFine,
      preserveDrawingBuffer: true,
      powerPreference: "high-performance",
    });
    this.renderer.toneMapping = ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.08;
    this.renderer.shadowMap.enabled = this.isFine;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.scene.background = new Color(options.background);
    if (this.isFine) {
      this.scene.environment = studioLight(this.renderer);
      this.scene.environmentIntensity = 0.42;
    }
    this.addLights();
  }

  private addLights(): void {
    const key = new DirectionalLight(0xfff1e2, 2.5);
    key.position.set(-0.55, 0.55, 1.0);
    key.castShadow = this.renderer.shadowMap.enabled;
    key.shadow.mapSize.set(1024, 1024);
    key.shadow.camera.left = key.shadow.camera.bottom = -0.22;
    key.shadow.camera.right = key.shadow.camera.top = 0.22;
    key.shadow.camera.near = 0.2;
    key.shadow.camera.far = 2.5;
    key.shadow.bias = -0.0006;
    key.shadow.normalBias = 0.004;
    key.shadow.radius = 5;
    const fill = new DirectionalLight(0xcfe0ff, 0.75);
    fill.position.set(0.9, 0.05, 0.7);
    const rim = new DirectionalLight(0xdfe8ff, 0.45);
    rim.position.set(0.7, 0.5, -0.9);
    const rimLeft = new DirectionalLight(0xffe6cc, 0.6);
    rimLeft.position.set(-0.9, 0.2, -0.7);
    const sky = new HemisphereLight(0xf4f6ff, 0x4b3a35, this.isFine ? 0.55 : 0.95);
    for (const light of [key, fill, rim, rimLeft]) {
      light.target.position.set(0, 0, 0);
      this.scene.add(light, light.target);
    }
    this.scene.add(sky);
  }

  /** Puts a face before the camera, whatever its size and place. */
  show(face: Face): void {
    this.face = face;
    const lashes = face.scene.getObjectByName("lashes");
    if (lashes && !this.isFine) lashes.visible = false; // thinner than a pixel here: they would only flicker
    const anchor = face.scene.getObjectByName("head");
    const box = new Box3().setFromObject(face.scene);
    const size = box.getSize(new Vector3());
    const centre = box.getCenter(new Vector3());
    if (anchor) {
      anchor.getWorldPosition(centre);
      centre.y += 0.018;
      centre.z = 0;
      this.height = this.options.camera === "bust" ? 0.4 : 0.3;
      if (this.options.camera === "bust") centre.y -= 0.04;
    } else {
      this.height = size.y * 1.15;
    }
    face.scene.position.sub(centre);
    this.scene.add(face.scene);
    this.resize();
  }

  resize(): void {
    const width = Math.max(1, this.canvas.clientWidth);
    const tall = Math.max(1, this.canvas.clientHeight);
    this.renderer.setPixelRatio(this.pixelsPerPoint);
    this.renderer.setSize(width, tall, false);
    this.camera.aspect = width / tall;
    const narrow = Math.min(1, this.camera.aspect / 0.82);
    const distance = this.height / 2 / Math.tan((this.camera.fov * Math.PI) / 360) / narrow;
    const side = this.options.camera === "left" ? 0.6 : this.options.camera === "right" ? -0.6 : 0;
    // On a tall screen there is room above the head, and the garment has an end: the face goes up.
    this.look.y = -LOWEST_LOOK_M * (1 - narrow);
    this.camera.position.set(Math.sin(side) * distance, 0.01 + this.look.y, Math.cos(side) * distance + 0.08);
    this.camera.lookAt(this.look);
    this.camera.updateProjectionMatrix();
  }

  /** Counts a picture of the running page, and draws fewer pixels from now on where the last ones took too long. */
  pace(nowMs: number): void {
    if (this.pacePictures === 0 || document.hidden) this.paceStartMs = nowMs;
    if (document.hidden || this.pacePictures++ < PACE_PICTURES) return;
    const meanMs = (nowMs - this.paceStartMs) / PACE_PICTURES;
    this.pacePictures = 0;
    if (meanMs < SLOW_MS || this.pixelsPerPoint <= FEWEST_PIXELS_PER_POINT) return;
    this.pixelsPerPoint = Math.max(FEWEST_PIXELS_PER_POINT, this.pixelsPerPoint * 0.8);
    this.resize();
  }

  draw(): void {
    this.face?.shadeMouth();
    this.renderer.render(this.scene, this.camera);
  }
}

/** Tells software drawing by the renderer's name; there reflections and shadows would cost seconds. */
function drawsOnProcessor(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return true;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = String(context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software/i.test(name);
}

/** A small studio for reflections: a dim room, a large window before the face, two strips at the sides. */
function studioLight(renderer: WebGLRenderer): Texture {
  const room = new Scene();
  room.add(new Mesh(new SphereGeometry(5, 24, 12), new MeshBasicMaterial({ color: 0x3b3f46, side: BackSide })));
  const panel = (width: number, height: number, x: number, y: number, z: number, strength: number): void => {
    const material = new MeshBasicMaterial({ color: new Color(strength, strength, strength * 0.97) });
    const mesh = new Mesh(new PlaneGeometry(width, height), material);
    mesh.position.set(x, y, z);
    mesh.lookAt(0, 0, 0);
    room.add(mesh);
  };
  panel(0.8, 0.8, -1.05, 1.35, 3.6, 34);
  panel(0.5, 3.0, 3.6, 0.4, 1.2, 0.9);
  panel(0.7, 3.0, -3.8, 0.2, -0.6, 1.5);
  const generator = new PMREMGenerator(renderer);
  const map = generator.fromScene(room, 0, 0.1, 20, { size: 64 }).texture;
  generator.dispose();
  return map;
}
