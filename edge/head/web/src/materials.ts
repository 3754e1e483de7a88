// What our own face is made of: skin, teeth, cornea, garment.
import {
  AdditiveBlending,
  Mesh,
  MeshPhysicalMaterial,
  MeshStandardMaterial,
  ShaderChunk,
  SRGBColorSpace,
  type BufferGeometry,
} from "three";

const HEM_FADE = 0.35; // of the garment's height
/** Share of the light that reaches the front teeth; a uniform of their shader. */
export const mouthLight = { value: 1 };

/** Makes the materials of our own file look alive; those of other files stay as their author made them. */
export function refineMaterial(mesh: Mesh): void {
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
