"""config.toml, a file of one's own and the environment; what is wrong is named with its place."""

import tomllib
from dataclasses import MISSING, fields, replace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import DEFAULTS, PREFIX, Settings, load
from radd.errors import ConfigError

SHIPPED = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
KEYS = [(section, key) for section, table in SHIPPED.items() for key in table]


@pytest.fixture
def own(tmp_path):
    """Writes a configuration of one's own and gives its path."""

    def write(text: str):
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def variable(section: str, key: str) -> str:
    return f"{PREFIX}{section}_{key}".upper()


def test_every_setting_is_in_the_shipped_file_and_every_key_is_a_setting():
    kinds = {name: get_type_hints(kind) for name, kind in get_type_hints(Settings).items()}
    assert SHIPPED.keys() == kinds.keys()
    assert all(SHIPPED[name].keys() == set(kind) for name, kind in kinds.items())
    every = [field for kind in get_type_hints(Settings).values() for field in fields(kind)]
    assert all(field.default is MISSING and field.default_factory is MISSING for field in every)


def test_the_shipped_values_arrive():
    settings = load(environ={})
    assert all(
        getattr(getattr(settings, section), key) == SHIPPED[section][key] for section, key in KEYS
    )


@pytest.mark.parametrize(("section", "key"), KEYS, ids=lambda name: name)
def test_every_key_can_be_overridden_from_the_environment(section, key):
    value = "sqlite:////elsewhere.db" if key == "url" else SHIPPED[section][key]
    settings = load(environ={variable(section, key): str(value)})
    assert getattr(getattr(settings, section), key) == value


def test_a_file_overrides_the_default_and_the_environment_both(own):
    path = own("[decision]\nprior = 0.1\nrefractory_s = 7\n")
    assert load(path, {}).decision.refractory_s == 7.0
    assert load(path, {}).alerts == load(environ={}).alerts
    assert load(path, {"RADD_DECISION_PRIOR": "0.2"}).decision.prior == 0.2


def test_variables_of_others_do_not_matter():
    assert load(environ={"HOME": "/root", "RADDISH": "1"}) == load(environ={})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[decision]\nprior = 0.5\nprio = 0.5\n",
            r"own.toml:3: unknown key prio in \[decision\]; did you mean prior\?",
        ),
        ("[decison]\n", r"own.toml:1: unknown section \[decison\]; did you mean decision\?"),
        ("\n[capture]\nqueue_chunks = 0\n", r"own.toml:3: queue_chunks = 0: expected a value from"),
        ("[decision]\nprior = 'high'\n", r"own.toml:2: expected float, found 'high'"),
        ("[capture]\nqueue_chunks = true\n", r"own.toml:2: expected int, found True"),
        (
            "[capture]\nbackend = 'jack'\n",
            r"own.toml:2: backend = 'jack': expected one of sounddevice, pyaudio",
        ),
        ("[decision]\nprior = nan\n", r"own.toml:2: prior = nan"),
        ("prior = 0.5\n", r"own.toml:1: unknown section \[prior\]"),
        ("capture = 3\n", r"own.toml:1: capture is outside any section"),
        ("[capture\n", r"own.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(own, text, expected):
    with pytest.raises(ConfigError, match=expected):
        load(own(text), {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "RADD_STORAGE_URI",
            "x",
            "RADD_STORAGE_URI: there is no such setting; did you mean RADD_STORAGE_URL",
        ),
        ("RADD_DECISION_PRIOR", "2", "RADD_DECISION_PRIOR: prior = 2.0: expected a value from"),
        ("RADD_DECISION_PRIOR", "many", "RADD_DECISION_PRIOR: expected float, found 'many'"),
        ("RADD_CAPTURE_QUEUE_CHUNKS", "1.5", "RADD_CAPTURE_QUEUE_CHUNKS: expected int, found 1.5"),
        ("RADD_CAPTURE_QUEUE_CHUNKS", "1\ny = 2", "RADD_CAPTURE_QUEUE_CHUNKS"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(name, value, expected):
    with pytest.raises(ConfigError, match=expected):
        load(environ={name: value})


@pytest.mark.parametrize(
    "emphasis", ["espeak-ng", "espeak-ng=much", "espeak-ng=0", "espeak-ng=-1", "a=1,b=nan"]
)
def test_an_emphasis_that_cannot_be_read_is_refused(emphasis):
    with pytest.raises(ConfigError, match="expected SOURCE=FACTOR"):
        replace(load().training, emphasis=emphasis)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        ConfigError, match="cannot read the configuration .*none.toml: No such file"
    ):
        load(tmp_path / "none.toml", {})


@given(st.sampled_from(KEYS), st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_any_text_in_the_environment_is_a_value_or_a_clear_error(where, text):
    name = variable(*where)
    try:
        load(environ={name: text})
    except ConfigError as error:
        assert name in str(error)
