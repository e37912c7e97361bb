"""Flags, environment and file: who wins, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.config.keys import KEY_BY_NAME
from nexus.config.kinds import ConfigError
from nexus.config.load import FILE_BYTES_MAX, load_config
from nexus.config.schema import ServeConfig
from nexus.model.time import NS_PER_MS, NS_PER_S


def write(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "nexus.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def refusal(flags: dict[str, object], environ: dict[str, str], path: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(flags, environ, path)
    return str(caught.value)


def test_nothing_given_is_the_documented_default() -> None:
    loaded = load_config({}, {})
    assert loaded.config == ServeConfig()
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.warnings == ()


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    path = write(tmp_path, "http_port: 1001\nmetrics_port: 1002\nlog_level: debug\n")
    environ = {"NEXUS_HTTP_PORT": "2001", "NEXUS_METRICS_PORT": "2002"}
    loaded = load_config({"http_port": "3001"}, environ, path)
    assert (loaded.config.http_port, loaded.config.metrics_port) == (3001, 2002)
    assert loaded.config.log_level == "debug"
    named = [loaded.sources[name] for name in ("http_port", "metrics_port", "log_level", "role")]
    assert named == ["flag", "environment", "file", "default"]


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "http_port: 1001")
    assert load_config({}, {"NEXUS_CONFIG": path}).config.http_port == 1001


def test_durations_become_nanoseconds(tmp_path: Path) -> None:
    path = write(tmp_path, "ack_limit: 2\nquorum_wait: 500ms\nround_interval: 0\n")
    config = load_config({}, {}, path).config
    assert config.ack_limit_ns == 2 * NS_PER_S
    assert config.quorum_wait_ns == 500 * NS_PER_MS
    assert config.round_interval_ns == 0


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_changes_nothing(tmp_path: Path, content: str) -> None:
    assert load_config({}, {}, write(tmp_path, content)).config == ServeConfig()


def test_a_wrong_value_names_key_value_place_and_range(tmp_path: Path) -> None:
    path = write(tmp_path, "drift_ppm: 50\n")
    text = refusal({"http_port": "99999"}, {"NEXUS_ROLE": "boss"}, path)
    lines = text.splitlines()
    assert len(lines) == 3
    assert "drift_ppm = 50 (from drift_ppm in " in lines[0]
    assert lines[0].endswith("accepted: a whole number from 100 to 20000")
    assert "role = 'boss' (from NEXUS_ROLE)" in lines[1]
    assert lines[1].endswith("accepted: one of core, write, read, edge")
    assert "http_port = '99999' (from --http-port)" in lines[2]


def test_an_unknown_key_in_the_file_is_refused_with_the_accepted_list(tmp_path: Path) -> None:
    text = refusal({}, {}, write(tmp_path, "htp_port: 9000\n"))
    assert "unknown key htp_port" in text
    assert all(name in text for name in KEY_BY_NAME)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is not YAML"),
        ("- 1\n- 2\n", "must hold keys and values"),
        ("http_port: 1\nhttp_port: 2\n", "http_port is written twice"),
        ("http_port: {a: 1}\n", "http_port = {'a': 1}"),
        ("http_port:\n", "http_port = None"),
        ("? [a]\n: 1\n", "is not YAML"),
        (b"\xff\xfe\xff", "is not YAML"),
        ("http_port: " + "9" * 5000, "nexus.yaml"),
        ("node_id: 2001-01-01\n", "node_id ="),
        (b"#" * (FILE_BYTES_MAX + 1), "is above"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_broken_file_is_told_and_never_a_traceback(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert said in refusal({}, {}, write(tmp_path, content))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in refusal({}, {}, str(tmp_path / "none.yaml"))
    assert "cannot be read" in refusal({}, {}, str(tmp_path))


def test_an_unknown_variable_is_only_warned_about() -> None:
    loaded = load_config({}, {"NEXUS_HTPP_PORT": "1", "NEXUS_SERVER": "http://x", "HOME": "/"})
    assert loaded.config == ServeConfig()
    assert loaded.warnings == ("unknown environment variables ignored: NEXUS_HTPP_PORT",)


def test_a_service_link_of_an_orchestrator_is_not_a_port() -> None:
    """Kubernetes sets NEXUS_HTTP_PORT=tcp://... for a service named nexus-http."""
    loaded = load_config({}, {"NEXUS_HTTP_PORT": "tcp://10.0.0.1:9000"})
    assert loaded.config.http_port == 9000
    assert "service link" in loaded.warnings[0]


def test_an_empty_variable_is_not_given() -> None:
    assert load_config({}, {"NEXUS_HTTP_PORT": ""}).config.http_port == 9000


def test_what_this_version_cannot_do_is_refused_rather_than_ignored() -> None:
    """Serving plain HTTP to somebody who asked for TLS would be worse than not starting."""
    assert "tls_cert" in refusal({"tls_cert": "x.pem"}, {})
    assert "p2p = true" in refusal({"p2p": "true"}, {})
    assert "initial_cluster" in refusal({"initial_cluster": "a=/ip4/192.0.2.1/tcp/1"}, {})
    assert load_config({"p2p": "false", "tls_cert": ""}, {}).warnings == ()


def test_what_has_no_effect_yet_is_warned_about() -> None:
    loaded = load_config({"p2p_port": "33124"}, {})
    assert loaded.warnings[0].startswith("p2p_port (from --p2p-port) has no effect")
    assert load_config({"p2p_port": "33123"}, {}).warnings == ()


def test_an_edge_trusts_no_wall_clock_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # An edge needs a cluster, which needs a transport; what it would trust is decided already.
    monkeypatch.setattr("nexus.config.load.broken_rules", lambda config: ())
    assert load_config({"role": "core"}, {}).config.clock_error_bound_ns == 10 * NS_PER_S
    assert load_config({"role": "edge"}, {}).config.clock_error_bound_ns is None
    told = load_config({"role": "edge", "clock_error_bound": "3s"}, {}).config
    assert told.clock_error_bound_ns == 3 * NS_PER_S
    assert load_config({"clock_error_bound": "none"}, {}).config.clock_error_bound_ns is None
