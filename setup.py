"""All metadata of au-edge.

It stands here and not in pyproject.toml because the setuptools of JetPack 6 (59) does not read a [project] table and
builds a package called UNKNOWN from it.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "edge" / "__init__.py").read_text(encoding="utf-8")).group(1)

TRAIN = [
    "torch>=2.2",
    "onnx>=1.15",
    "scipy>=1.10",
    "matplotlib>=3.7",
    "tqdm>=4.60",
]
LABEL = ["mediapipe>=0.10.14", "av>=11", "scipy>=1.10", "joblib>=1.3"]
ROBOTS = ["pyserial>=3.5", "smbus2>=0.4"]
# pyworld asks for pkg_resources, which setuptools has up to version 80.
VOICES = ["pyworld>=0.3.4", "setuptools<81", "scipy>=1.10", "pocketsphinx>=5.0.1", "joblib>=1.3"]
HEAD = ["websockets>=15"]
# Films and what else libsndfile does not read; with FFmpeg's libraries inside, about 30 MB.
FORMATS = ["av>=11"]
METRICS = ["prometheus-client>=0.19"]
CALIBRATE = ["onnx>=1.15"]

setup(
    name="au-edge",
    version=VERSION,
    description="Live speech in, facial action units and head rotation out over UDP and OSC, on a small Linux machine",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(
        include=["edge", "edge.*", "engine_build", "engine_build.*", "calibration", "calibration.*"]
    ),
    package_data={
        "edge": [
            "default.conf",
            "demo/*",
            "models/*",
            "head/static/*",
            "outputs/retargets/*",
            "robots/examples/*",
        ],
        "engine_build": ["**/*.npz", "**/*.json", "**/*.LICENSE.txt"],
        "calibration": ["**/*.flac", "**/*.json", "**/*.onnx"],
    },
    install_requires=[
        "numpy>=1.21",
        "onnxruntime>=1.21",
        "soundfile>=0.12",
        "python-osc>=1.8",
        "pyaudio>=0.2.13",
        "tqdm>=4.60",
    ],
    extras_require={
        "gpu": ["pycuda>=2022.2", "tensorrt>=8.6"],
        "jetson": ["pycuda>=2022.2"],
        "head": HEAD,
        "formats": FORMATS,
        "metrics": METRICS,
        "robots": ROBOTS,
        "openvino": ["openvino>=2024.6"],
        "calibrate": CALIBRATE,
        "train": TRAIN,
        "label": LABEL,
        "voices": VOICES,
        "test": [
            *TRAIN,
            *HEAD,
            *FORMATS,
            *METRICS,
            *LABEL,
            *VOICES,
            *ROBOTS,
            # One version, for numbers that can be compared. The index's own brings CUDA, about 3 GB; a CPU index
            # of wheels, named to pip, does not.
            "torch==2.13.0",
            "pytest>=7.4",
            "pytest-xdist>=3.5",
            "hypothesis>=6.90",
            "openvino>=2024.6",
            "pillow>=9",
            "ruff==0.17.6",
            "mypy==2.4.1",
            # Oracles: software that nobody here wrote.
            "librosa>=0.10",
            "osc4py3>=1.0.8",
            "vmcp>=1.0.6",
            "PyLiveLinkFace>=0.1",
            "rosbags>=0.9",
            "stupidArtnet>=1.6",
            "sacn>=1.9",
            "dynamixel-sdk>=3.7",
            "trtcheck>=1.1",
        ],
    },
    entry_points={"console_scripts": ["au-edge = edge.__main__:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
