import base64
import datetime
import itertools
import urllib.parse

import numpy as np
import pytest

from jcenas.carbon.providers.base import Fallback, NotCoveredError, ProviderError, ProviderWarning, RefusedError, chunks
from jcenas.carbon.providers.electricity_maps import ElectricityMaps
from jcenas.carbon.providers.great_britain import GreatBritain
from jcenas.carbon.providers.http_client import HttpClient
from jcenas.carbon.providers.local import File, TypicalYear
from jcenas.carbon.providers.names import chain_from_name, needs_service, provider_from_name, zone_to_ask
from jcenas.carbon.providers.record import record
from jcenas.carbon.providers.watttime import WattTime
from jcenas.carbon.typical_year import typical_year
from jcenas.carbon.zones import DEFAULT_ZONE
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
KEY = "s3cret-k3y"


@pytest.fixture
def client(tmp_path):
    return HttpClient(cache=tmp_path / "cache", timeout_s=1.0, tries=2, sleep=lambda seconds: None)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", KEY)
    monkeypatch.setenv("WATTTIME_USER", "ada")
    monkeypatch.setenv("WATTTIME_PASSWORD", KEY)


def level(when):
    """The intensity that the played services tell of an hour: hours since `START` plus 100."""
    return 100 + (when - START) / HOUR


def times(start, end, step):
    return [start + i * step for i in range((end - start) // step)]


def play_electricity_maps(answer):
    def respond(path):
        address = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(address.query))
        if address.path.endswith("forecast"):
            rows, field = times(START, START + 72 * HOUR, HOUR), "forecast"
        else:
            start, end = (datetime.datetime.fromisoformat(query[name]) for name in ("start", "end"))
            if end - start > 10 * 24 * HOUR:
                return answer({"error": "range too long"}, 400)
            rows, field = times(start, end + HOUR, HOUR), "data"  # one more than asked
        kind = query["emissionFactorType"]
        entries = [{"datetime": t.isoformat(), "carbonIntensity": level(t), "emissionFactorType": kind} for t in rows]
        return answer({"zone": query["zone"], field: entries})

    return respond


def test_electricity_maps_history_over_many_requests(service, answer, client):
    service.respond = play_electricity_maps(answer)
    provider = ElectricityMaps(client=client, base=service.url, factors="direct")
    trace = provider.history("DE", START, START + 600 * HOUR)
    np.testing.assert_allclose(trace.intensity_g_per_kwh, 100 + np.arange(600))
    assert (trace.start, trace.zone, trace.factors, trace.source) == (START, "DE", "direct", "Electricity Maps")
    assert 3 <= len(service.requests) <= 4
    assert all(headers["Auth-Token"] == KEY and KEY not in path for path, headers in service.requests)
    before = len(service.requests)
    provider.history("DE", START, START + 600 * HOUR)
    assert len(service.requests) == before  # all of it from the cache


def test_electricity_maps_forecast(service, answer, client):
    service.respond = play_electricity_maps(answer)
    provider = ElectricityMaps(client=client, base=service.url)
    np.testing.assert_allclose(provider.forecast("DE", START + HOUR, 3).intensity_g_per_kwh, [101, 102, 103])
    with pytest.raises(ProviderError, match=r"electricity-maps has no hours but 2024-03-01 00:00 \.\. 2024-03-04"):
        provider.forecast("DE", START, 96)


def test_wrong_factors_are_refused(service, answer, client):
    entry = {"datetime": START.isoformat(), "carbonIntensity": 1, "emissionFactorType": "direct"}
    service.script = [answer({"data": [entry]})]
    with pytest.raises(ProviderError, match="answered direct factors"):
        ElectricityMaps(client=client, base=service.url).history("DE", START, START + HOUR)


def play_great_britain(answer):
    def respond(path):
        _, _, first, last = path.split("/")
        start = datetime.datetime.fromisoformat(first) - HOUR / 2  # the half hour that ends at the given time
        end = start + 48 * HOUR if last == "fw48h" else datetime.datetime.fromisoformat(last)
        if end - start > 14 * 24 * HOUR:
            return answer({"error": {"code": "400 Bad Request"}}, 400)

        def entry(t):
            return {"from": f"{t:%Y-%m-%dT%H:%MZ}", "intensity": {"forecast": level(t), "actual": None}}

        return answer({"data": [entry(t) for t in times(start, end, HOUR / 2)]})

    return respond


def test_great_britain(service, answer, client):
    service.respond = play_great_britain(answer)
    provider = GreatBritain(client=client, base=service.url)
    trace = provider.history("GB", START, START + 700 * HOUR)
    assert (trace.start, len(trace), trace.step_seconds) == (START, 1400, 1800)
    np.testing.assert_allclose(trace.hourly(), 100.25 + np.arange(700))
    np.testing.assert_allclose(provider.forecast("GB", START, 48).hourly(), 100.25 + np.arange(48))
    with pytest.raises(RefusedError, match="knows the zone GB only, not DE"):
        provider.history("DE", START, START + HOUR)
    with pytest.raises(NotCoveredError, match="gb has no hours but") as said:
        provider.forecast("GB", START, 72)
    assert said.value.trace.hours == 48


def play_watttime(answer):
    def respond(path):
        address = urllib.parse.urlsplit(path)
        if address.path == "/login":
            return answer({"token": "t0ken"})
        query = dict(urllib.parse.parse_qsl(address.query))
        start, end = START, START + int(query.get("horizon_hours", 0)) * HOUR
        if "start" in query:
            start, end = (datetime.datetime.fromisoformat(query[name]) for name in ("start", "end"))
        rows = [{"point_time": t.isoformat(), "value": 1000.0} for t in times(start, end, HOUR / 12)]
        meta = {"region": query["region"], "signal_type": query["signal_type"], "units": "lbs_co2_per_mwh"}
        return answer({"data": rows, "meta": meta})

    return respond


def test_watttime_buys_one_token(service, answer, client):
    service.respond = play_watttime(answer)
    provider = WattTime(client=client, base=service.url)
    trace = provider.history("CAISO_NORTH", START, START + 2 * HOUR)
    np.testing.assert_allclose(trace.hourly(), [453.59237, 453.59237])
    assert (trace.kind, provider.forecast("CAISO_NORTH", START, 72).hours) == ("marginal", 72)
    login, *asked = service.requests
    assert base64.b64decode(login[1]["Authorization"].split()[1]).decode() == f"ada:{KEY}"
    assert [headers["Authorization"] for _, headers in asked] == ["Bearer t0ken"] * 2
    assert KEY not in repr(provider)
    assert "t0ken" not in repr(provider)
    elsewhere = WattTime("CAISO_NORTH", client=client, base=service.url)  # whatever the others call the zone
    assert elsewhere.history("US-CAL-CISO", START, START + HOUR).zone == "CAISO_NORTH"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (ElectricityMaps, "set the environment variable ELECTRICITY_MAPS_TOKEN"),
        (WattTime, "WATTTIME_USER and WATTTIME_PASSWORD"),
    ],
)
def test_missing_keys_name_the_variable(monkeypatch, client, make, message):
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    monkeypatch.delenv("WATTTIME_PASSWORD")
    with pytest.raises(RefusedError, match=message):
        make(client=client).history("DE", START, START + HOUR)


def test_fallback_warns_and_the_trace_tells_its_source(service, answer, client):
    service.script = [answer(b"", 500), answer(b"", 500), answer({"error": "nonsense"})]
    chain = Fallback([ElectricityMaps(client=client, base=service.url), GreatBritain(client=client), TypicalYear()])
    with pytest.warns(ProviderWarning) as caught:
        trace = chain.history("DE", START, START + 24 * HOUR)
    assert "typical year" in trace.source
    messages = [str(warning.message) for warning in caught]
    assert "electricity-maps failed" in messages[0]
    assert "HTTP 500" in messages[0]
    assert "asking gb instead" in messages[0]
    assert "gb failed" in messages[1]
    assert not any(KEY in message for message in messages)


def test_fallback_of_failures_names_all(client, monkeypatch):
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    chain = Fallback([ElectricityMaps(client=client), TypicalYear()])
    with (
        pytest.warns(ProviderWarning),
        pytest.raises(ProviderError, match=r"electricity-maps: .*typical-year: unknown zone"),
    ):
        chain.forecast("Atlantis", START, 3)


def test_typical_year_and_file(tmp_path):
    trace = TypicalYear().forecast("DE", START, 24)
    np.testing.assert_array_equal(
        trace.intensity_g_per_kwh, typical_year("DE", start=START, hours=24).intensity_g_per_kwh
    )
    path = tmp_path / "own.csv"
    rows = [f"{t},{level(t)}" for t in times(START, START + 48 * HOUR, HOUR)]
    path.write_text("\n".join(["datetime_utc,intensity", *rows]))
    provider = provider_from_name(f"file:{path}")
    assert isinstance(provider, File)
    np.testing.assert_array_equal(provider.history("X", START + HOUR, START + 3 * HOUR).intensity_g_per_kwh, [101, 102])
    with pytest.raises(ProviderError, match=r"own\.csv has no hours but"):
        provider.forecast("X", START + 47 * HOUR, 2)


def test_periods_are_checked():
    for start, end in ((START, START), (START + HOUR / 2, START + HOUR), (START.replace(tzinfo=None), START)):
        with pytest.raises(ProviderError, match=r"no full hour|is empty"):
            TypicalYear().history("DE", start, end)


def test_both_ends_of_the_calendar_are_provider_errors():
    for year in (1, 9999):
        when = datetime.datetime(year, 12, 31, 23, tzinfo=datetime.UTC)
        with pytest.raises(ProviderError, match=r"calendar|between the years"):
            TypicalYear().forecast("DE", when, 24)
        with pytest.raises(ProviderError, match="between the years"):
            GreatBritain().history("GB", START, when)


def entry(when, value, **more):
    """An entry of Electricity Maps."""
    return {"datetime": f"{when:%Y-%m-%dT%H:%MZ}", "carbonIntensity": value} | more


def test_double_and_missing_entries_of_a_service_are_estimated(service, answer, client):
    values = [(0, 100), (1, 200), (1, 220), (2, None), (3, 300), (4, None)]
    service.script = [answer({"zone": "DE", "data": [entry(START + h * HOUR, value) for h, value in values]})]
    trace = ElectricityMaps(client=client, base=service.url).history("DE", START, START + 5 * HOUR)
    np.testing.assert_array_equal(trace.intensity_g_per_kwh, [100, 210, 255, 300, 300])
    np.testing.assert_array_equal(trace.estimated, [False, True, True, False, True])
    assert len(trace.notes) == 2


def test_an_answer_for_another_zone_is_refused(service, answer, client):
    rows = [entry(START, 1)]
    service.script = [answer({"zone": "FR", "data": rows}), answer({"data": [entry(START, 1, zone="FR")]})]
    provider = ElectricityMaps(client=client, base=service.url)
    for _ in range(2):
        with pytest.raises(ProviderError, match="is an answer for the zone FR, not 'DE'"):
            provider.history("DE", START, START + HOUR)
    meta = {"region": "ERCOT", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"}
    rows = [{"point_time": START.isoformat(), "value": 1.0}]
    service.script = [answer({"token": "t0ken"}), answer({"data": rows, "meta": meta})]
    with pytest.raises(ProviderError, match="is an answer for the zone ERCOT, not 'CAISO_NORTH'"):
        WattTime(client=client, base=service.url).history("CAISO_NORTH", START, START + HOUR)


SHAPES = [
    {"data": {"a": 1}},
    {"data": [[]]},
    {"data": [{}]},
    {"data": [{"datetime": 7, "carbonIntensity": 1}]},
    {"data": [entry(START, {"value": 1})]},
    {"data": [{"datetime": "0001-01-01T00:00+14:00", "carbonIntensity": 1}]},
    {"data": [{"datetime": "9999-12-31T23:00-14:00", "carbonIntensity": 1}]},
    {"data": [entry(START, 10**400)]},
    {"data": [entry(START, True)]},
    {"zone": ["DE"], "data": [entry(START, None)]},
    [1],
    "text",
    None,
    b'{"data": [{"carbonIntensity": ' + b"9" * 5000 + b"}]}",
    b"[" * 100_000,
]


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_nonsense_lets_the_next_provider_answer(service, answer, client, shape):
    service.respond = lambda path: answer(SHAPES[shape])
    with pytest.raises(ProviderError) as caught:
        ElectricityMaps(client=client, base=service.url).history("DE", START, START + HOUR)
    assert str(caught.value).isprintable()
    assert "leave one of the rows" not in str(caught.value)
    chain = Fallback([ElectricityMaps(client=client, base=service.url), TypicalYear()])
    with pytest.warns(ProviderWarning):
        trace = chain.history("DE", START, START + HOUR)
    assert "typical year" in trace.source
    assert "electricity-maps failed" in trace.notes[0]


def test_an_echoed_key_is_shown_and_kept_nowhere(service, answer, client):
    provider = ElectricityMaps(client=client, base=service.url)
    service.script = [answer({"zone": f"DE for {KEY}", "data": [entry(START, 1)]})]
    with pytest.raises(ProviderError, match=r"for the zone DE for \[hidden\]"):
        provider.history("DE", START, START + HOUR)
    service.script = [answer({"zone": "DE", "you": [{KEY: KEY}], "data": [entry(START, 1)]})]
    provider.history("DE", START, START + HOUR)
    assert KEY not in "".join(path.read_text() for path in client.cache.iterdir())


def test_a_file_with_zones_must_have_the_one_that_is_asked_for(tmp_path):
    path = tmp_path / "zones.csv"
    rows = [f"{zone},{t},{level(t)}" for t in times(START, START + 2 * HOUR, HOUR) for zone in ("DE", "FR")]
    path.write_text("\n".join(["zone,datetime_utc,intensity", *rows]))
    assert File(path).history("FR", START, START + HOUR).zone == "FR"
    with pytest.raises(InputError, match="no row of the zone 'PL'"):
        File(path).history("PL", START, START + HOUR)


def test_chunks_join_up_at_fixed_dates():
    pieces = chunks(START, START + 500 * HOUR, 10)
    assert pieces[0][0] == START
    assert pieces[-1][1] == START + 500 * HOUR
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
    assert max(b - a for a, b in pieces) <= 240 * HOUR
    assert pieces[1] == chunks(START - HOUR, START + 500 * HOUR, 10)[1]


def test_names():
    chain = provider_from_name("electricity-maps, gb,typical-year")
    assert chain.name == "electricity-maps,gb,typical-year"
    with pytest.raises(InputError, match="unknown carbon provider 'guess'; the carbon providers are electricity-maps"):
        provider_from_name("guess")
    with pytest.raises(InputError, match="'gb' is named twice"):
        provider_from_name("gb,typical-year,gb")
    assert provider_from_name("watttime:CAISO_NORTH").region == "CAISO_NORTH"
    assert [needs_service(text) for text in ("typical-year", "file:a.csv,typical-year", "typical-year,gb")] == [
        False,
        False,
        True,
    ]


def test_the_zone_of_a_file_is_its_own(tmp_path):
    rows = [(t, level(t)) for t in times(START, START + 4 * HOUR, HOUR)]
    named, plain, both = (tmp_path / f"{name}.csv" for name in ("named", "plain", "both"))
    named.write_text("time_utc,zone,carbon_intensity\n" + "".join(f"{t},FR,{value}\n" for t, value in rows))
    plain.write_text("time_utc,carbon_intensity\n" + "".join(f"{t},{value}\n" for t, value in rows))
    both.write_text("time_utc,DE,FR\n" + "".join(f"{t},{value},{value}\n" for t, value in rows))
    assert zone_to_ask(f"file:{named}", "") == "FR"
    assert zone_to_ask(f"typical-year,file:{named}", "") == "FR"
    assert zone_to_ask(f"file:{plain}", "") == "plain"  # its name, as where the file is a trace
    assert zone_to_ask(f"file:{both}", "DE") == "DE"
    assert zone_to_ask("typical-year", "") == DEFAULT_ZONE
    with pytest.raises(InputError, match=r"a column for each zone \(DE, FR\); choose one with --zone"):
        zone_to_ask(f"file:{both}", "")
    with pytest.raises(InputError, match="needs a --zone"):
        zone_to_ask(f"gb,file:{named}", "")
    asked = record(f"file:{named}", "", days=1, start=START, warn=pytest.fail)
    assert asked.trace.zone == "FR"


def test_a_chain_tells_whoever_it_is_given(client, monkeypatch):
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    said = []
    chain = chain_from_name("electricity-maps,typical-year", said.append)
    provider, trace = chain.first(lambda one: one.history("DE", START, START + HOUR))
    assert (provider.name, trace.estimated.tolist()) == ("typical-year", [True])
    assert said == list(trace.notes)
    assert said[0].startswith("carbon provider electricity-maps failed (Electricity Maps needs a key")


def test_what_is_still_coming_in_is_soon_asked_again(service, answer, client, monkeypatch):
    now = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    ages = []
    get = HttpClient.get
    monkeypatch.setattr(
        HttpClient, "get", lambda *args, max_age_s, **more: ages.append(max_age_s) or get(*args, **more)
    )
    service.respond = play_electricity_maps(answer)
    provider = ElectricityMaps(client=client, base=service.url)
    provider.history("DE", now - 20 * 24 * HOUR, now)
    assert set(ages[:-1]) == {86_400}
    assert ages[-1] == 60
