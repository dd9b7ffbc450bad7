"""Prometheus of the daemon: what a scrape says, and a dashboard that asks for nothing else."""

import json
import re
import urllib.request

import pytest
from fixtures_house import ROOT
from fixtures_notify import SECRET, notify_settings
from fixtures_patience import PATIENCE_S
from fixtures_storage import alert, score, stream_info, until

pytest.importorskip(
    "prometheus_client", reason="prometheus-client is not installed: pip install -e '.[notify]'"
)
from notify.messages import Sender
from notify.metrics import DaemonMetrics
from notify.notifier import Notifier
from notify.settings import MetricsSettings
from notify.webhook import Webhook
from radd.errors import ConfigError
from radd.prometheus import generate_latest, text_string_to_metric_families
from radd.types import AlertState, Gap, Score, Verdict

LISTEN = MetricsSettings("127.0.0.1:0")
JOURNAL = {"spool_entries": 3, "spool_bytes": 4_096, "delivered": 9, "alerts_lost": 1}
DASHBOARD = json.loads((ROOT / "deploy/grafana/radd.json").read_text(encoding="utf-8"))


def daemon(notifier=None):
    return DaemonMetrics(LISTEN, lambda: JOURNAL, notifier)


def values(text):
    """The value of each sample by name and labels, as Prometheus' own parser reads it."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(metrics):
    with urllib.request.urlopen(
        f"http://127.0.0.1:{metrics.port}/metrics", timeout=PATIENCE_S
    ) as a:
        return values(a.read().decode())


def scored(p_spoof, latency_ms, verdict=Verdict.BONAFIDE):
    plain = score(2_048, 1.0, verdict)
    fields = {name: getattr(plain, name) for name in Score.__slots__}
    return Score(**fields | {"p_spoof": p_spoof, "latency_ms": latency_ms})


def test_a_scrape_counts_what_the_streams_had():
    with daemon() as metrics:
        metrics.begin(
            stream_info(id="s1", source="mic"),
            lambda: {"drops": 2, "overruns": 1, "queue_depth": 5},
        )
        metrics.begin(stream_info(id="s2", source="file"), lambda: {"drops": 3})
        metrics.write(scored(0.02, 40.0), "s1")
        metrics.write(scored(None, 900.0, Verdict.SHED), "s2")
        metrics.write(Gap(0, 16_000, "unplugged"), "s1")
        metrics.write(alert(), "s1")
        found = scrape(metrics)
        assert found["radd_detect_streams",] == 2 and found["radd_detect_alerts_open",] == 1
        assert found["radd_detect_scores_total", "bonafide"] == 1
        assert found["radd_detect_scores_total", "shed"] == 1
        assert (
            found["radd_detect_p_spoof_bucket", "0.05"] == found["radd_detect_p_spoof_count",] == 1
        )
        assert found["radd_detect_p_spoof_bucket", "0.01"] == 0
        assert found["radd_detect_lag_seconds",] == 0.9
        assert found["radd_detect_lost_seconds_total",] == found["radd_detect_gaps_total",] == 1
        assert found["radd_detect_drops_total",] == 5 and found["radd_detect_overruns_total",] == 1
        assert found["radd_detect_queue_depth", "capture"] == 5
        assert found["radd_detect_queue_depth", "spool"] == 3
        assert found["radd_detect_journal_alerts_lost_total",] == 1
        assert found["process_resident_memory_bytes",] > 1e6


def test_counts_of_streams_that_ended_stay_and_their_gauges_go():
    with daemon() as metrics:
        metrics.begin(stream_info(id="s1", source="mic"), lambda: {"drops": 2, "queue_depth": 5})
        metrics.write(scored(0.02, 40.0), "s1")
        metrics.write(alert(), "s1")
        for _ in range(2):
            metrics.end("s1")
        found = scrape(metrics)
        assert found["radd_detect_drops_total",] == 2
        gone = ("streams", "alerts_open", "lag_seconds")
        assert [found[f"radd_detect_{name}",] for name in gone] == [0, 0, 0]
        assert found["radd_detect_queue_depth", "capture"] == 0


def test_no_label_grows_with_the_number_of_streams():
    metrics = daemon()
    sizes = []
    for number in range(3):
        metrics.begin(stream_info(id=f"s{number}", source=f"caller {number}"), dict)
        metrics.write(scored(0.5, 10.0), f"s{number}")
        metrics.write(alert(AlertState.CLOSE), f"s{number}")
        sizes.append(len(values(generate_latest(metrics.registry).decode())))
    assert sizes[0] == sizes[-1]


def test_notifications_are_counted_and_timed(receiver, tmp_path):
    receiver.codes = [503]
    channel = Webhook(receiver.url, SECRET, 5.0)
    notifier = Notifier(notify_settings(timeout_s=60.0), Sender("here", ""), tmp_path, [channel])
    metrics = daemon(notifier)
    with notifier:
        notifier.write(alert())
        until(lambda: len(receiver.requests) == 2)
    found = values(generate_latest(metrics.registry).decode())
    assert found["radd_detect_notifications_total", "failed", "webhook"] == 1
    assert found["radd_detect_notifications_total", "sent", "webhook"] == 1
    assert found["radd_detect_alert_to_sent_seconds_count", "webhook"] == 1
    assert found["radd_detect_queue_depth", "webhook"] == 0


def test_an_address_in_use_is_refused_with_what_to_do():
    with daemon() as metrics:
        taken = DaemonMetrics(MetricsSettings(f"127.0.0.1:{metrics.port}"), dict, None)
        with pytest.raises(ConfigError, match="listen = .* in use; choose"):
            taken.__enter__()


def exported(tmp_path):
    """Every metric of a daemon with notifications, by the names that queries use."""
    notifier = Notifier(notify_settings(), Sender("here", ""), tmp_path, [])
    text = generate_latest(daemon(notifier).registry).decode()
    families = list(text_string_to_metric_families(text))
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    return {
        f"{family.name}{suffix}"
        for family in families
        for suffix in suffixes.get(family.type, [""])
    }


def queries(panels):
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", []))
        yield from queries(panel.get("panels", []))


def test_the_dashboard_asks_only_for_metrics_that_the_daemon_exports(tmp_path):
    asked = {
        name
        for expr in queries(DASHBOARD["panels"])
        for name in re.findall(r"\b(?:radd|process)_[a-z_]+", expr)
    }
    assert len(asked) > 12 and asked - exported(tmp_path) == set()


def test_the_dashboard_is_one_that_grafana_imports():
    panels = DASHBOARD["panels"]
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["uid"] and DASHBOARD["title"]
    (variable,) = DASHBOARD["templating"]["list"]
    assert variable["type"] == "datasource" and variable["query"] == "prometheus"
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["w"] > 0 and place["h"] > 0 and place["x"] + place["w"] <= 24
        assert panel["title"] and panel["type"] in {"timeseries", "stat", "heatmap"}
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_no_two_panels_of_the_dashboard_overlap():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
