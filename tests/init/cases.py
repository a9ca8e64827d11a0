"""Six cases with their truth: the flights, the tutorial's payments, and four of other kinds."""

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scorer.demo import flights as demo
from scorer.demo import tables
from tests.init.case import UNKNOWN, Case, category, event, feature, formula, part, texts, train

ROOT = Path(__file__).parents[2]
ROWS = 3_000
SAMPLES = 600
START = pd.Timestamp("2026-03-02T00:00:00Z")


def flights(_: Path) -> Case:
    """The model of this repository; the weather is packed, two columns have codes, and two are expressions."""
    training, later = demo.split(demo.read())
    loaded = tables.as_loaded(training)
    sample = later[:5_000]
    events = []
    for row in sample[demo.FIELDS].to_dict("records"):
        row["scheduled_departure"] = row["scheduled_departure"].isoformat()
        row["local_date"] = row["local_date"].date().isoformat()
        row["local_time"] = str((pd.Timestamp(0) + row["local_time"]).time())
        row["tailnum"] = row["tailnum"] if isinstance(row["tailnum"], str) else None
        events.append(row)
    plane, route = "plane:{tailnum}", "route:{origin}:{dest}"
    weather_key = "weather:{origin}:{scheduled_departure|%Y%m%d%H}"
    truth = {
        "dep_delay": event("dep_delay"),
        "hour": part("local_time", "hour"),
        "minute": part("local_time", "minute"),
        "weekday": part("local_date", "weekday"),
        "distance": event("distance"),
        "scheduled_minutes": event("scheduled_minutes"),
        "carrier": category("carrier", *tables.CARRIERS),  # trained on codes
        "origin": category("origin", *tables.ORIGINS),
        "built": feature(plane, "built"),
        "seats": feature(plane, "seats"),
        "engines": feature(plane, "engines"),
        "plane_flights": feature(plane, "flights"),
        "plane_late_share": feature(plane, "late_share"),
        "route_late_share": feature(route, "late_share"),
        "minutes_gained": feature(route, "minutes_gained"),
        **{name: feature(weather_key, name) for name in tables.OBSERVATION},  # packed
        "expected_delay": UNKNOWN,  # made of the history of each day, which Redis has no more
        "miles_per_hour": formula("60 * distance / scheduled_minutes"),
    }
    weather = {
        f"weather:{origin}:{moment:%Y%m%d%H}": struct.pack("<9f", *row)
        for (origin, moment), row in zip(loaded["weather"].index, loaded["weather"].to_numpy(), strict=True)
    }
    hashes = _hashes("plane:{}", loaded["plane"]) | _hashes("route:{}:{}", loaded["route"])
    model = ROOT / "models/flight-delays/1/model.ubj"
    schema = json.loads((ROOT / "schemas/flight.avsc").read_text())
    return Case("flights", model, schema, truth, hashes, weather, events)


def payments(folder: Path) -> Case:
    """The files of the tutorial, and the payments that its model was trained on."""
    page = (ROOT / "docs/tutorial.md").read_text()
    files = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    (folder / "train.py").write_text(files["train.py"])
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True, timeout=120)
    _, *cards = (folder / "cards.csv").read_text().split()
    truth = {
        "amount": event("amount"),
        "country": category("country", "DE", "FR", "US"),  # trained on codes
        "hour": part("at", "hour"),
        "spend": feature("card:{card}", "spend"),
        "ratio": formula("amount / (1 + spend)"),
    }
    return Case(
        "payments",
        folder / "model.ubj",
        json.loads(files["payment.avsc"]),
        truth,
        {f"card:{card}": {"spend": spend} for card, spend in (line.split(",") for line in cards)},
        events=[json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()],
    )


def rides(folder: Path) -> Case:
    """Ride-hailing: camelCase, records in records, keys named like them."""
    rng = np.random.default_rng(1)
    classes = ["economy", "comfort", "van"]
    riders, drivers = rng.integers(10_000, 10_400, ROWS), rng.integers(500, 900, ROWS)
    moments = _moments(rng)
    rider = _table(rng, range(10_000, 10_400), trips30d=(0, 60, 0), cancelRate=(0, 1, 3))
    driver = _table(rng, range(500, 900), trips30d=(0, 400, 0), acceptanceRate=(0, 1, 3), rating=(3, 5, 2))
    flat = {
        "passengerCount": rng.integers(1, 5, ROWS),
        "distanceKm": rng.gamma(2, 4, ROWS).round(2),
        "surgeMultiplier": rng.choice([1.0, 1.2, 1.5, 2.0], ROWS),
        "quotedFare": rng.gamma(3, 6, ROWS).round(2),
        "vehicleClass": texts(rng, classes, ROWS),
    }
    places = {
        f"{end}.{name}": rng.uniform(low, high, ROWS).round(4)
        for end in ("pickup", "dropoff")
        for name, low, high in (("lat", 40.6, 40.9), ("lon", -74.1, -73.8))
    }
    rating = rng.uniform(3, 5, ROWS).round(2)
    model = {
        "passenger_count": flat["passengerCount"],
        "distance_km": flat["distanceKm"],
        "surge_multiplier": flat["surgeMultiplier"],
        "quoted_fare": flat["quotedFare"],
        "vehicle_class": flat["vehicleClass"],
        **{path.replace(".", "_"): values for path, values in places.items()},
        "rider_rating": rating,
        "requested_hour": moments.hour,
        "requested_day_of_week": moments.day_of_week,
        "rider_trips_30d": rider["trips30d"].loc[riders],
        "driver_trips_30d": driver["trips30d"].loc[drivers],
        "cancel_rate": rider["cancelRate"].loc[riders],
        "acceptance_rate": driver["acceptanceRate"].loc[drivers],
        "driver_rating": driver["rating"].loc[drivers],
        "fare_per_km": flat["quotedFare"] / (1 + flat["distanceKm"]),
    }
    of_rider, of_driver = "rider:{rider.id}", "driver:{driver.id}"
    truth = {
        "passenger_count": event("passengerCount"),
        "distance_km": event("distanceKm"),
        "surge_multiplier": event("surgeMultiplier"),
        "quoted_fare": event("quotedFare"),
        "vehicle_class": category("vehicleClass", *classes),
        **{path.replace(".", "_"): event(path) for path in places},
        "rider_rating": event("rider.rating"),
        "requested_hour": part("requestedAt", "hour"),
        "requested_day_of_week": part("requestedAt", "weekday"),
        "rider_trips_30d": feature(of_rider, "trips30d"),
        "driver_trips_30d": feature(of_driver, "trips30d"),
        "cancel_rate": feature(of_rider, "cancelRate"),
        "acceptance_rate": feature(of_driver, "acceptanceRate"),
        "driver_rating": feature(of_driver, "rating"),
        "fare_per_km": formula("quoted_fare / (1 + distance_km)"),
    }
    schema = _record(
        "TripRequested",
        tripId="string",
        requestedAt={"type": "long", "logicalType": "timestamp-millis"},
        pickup=_record("Place", lat="double", lon="double", zoneId="int"),
        dropoff="Place",
        rider=_record("Rider", id="long", rating=["null", "float"]),
        driver=["null", _record("Driver", id="long", vehiclePlate="string")],
        vehicleClass=_enum("VehicleClass", classes),
        passengerCount="int",
        distanceKm="double",
        surgeMultiplier="float",
        quotedFare={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    )
    events = [
        {
            "tripId": f"t-{row}",
            "requestedAt": moments[row].isoformat(),
            **{
                end: {"lat": places[f"{end}.lat"][row], "lon": places[f"{end}.lon"][row], "zoneId": int(row % 60)}
                for end in ("pickup", "dropoff")
            },
            "rider": {"id": int(riders[row]), "rating": float(rating[row])},
            "driver": {"id": int(drivers[row]), "vehiclePlate": f"P{row}"},
            **{name: _plain(values[row]) for name, values in flat.items()},
        }
        for row in range(SAMPLES)
    ]
    hashes = _hashes("rider:{}", rider) | _hashes("driver:{}", driver)
    return Case("rides", train(folder / "eta.ubj", model, 1), schema, truth, hashes, events=events)


def ads(folder: Path) -> Case:
    """Advertising: many categories, keys with a namespace, a unit in the name of the time."""
    rng = np.random.default_rng(2)
    devices, slots, formats = ["desktop", "phone", "tablet"], ["top", "side", "inline"], ["video", "banner"]
    systems, countries = ["Android", "iOS", "Linux", "Windows"], ["BR", "DE", "IN", "NO", "US"]
    moments = _moments(rng)
    ids = {"campaign": rng.integers(1, 200, ROWS), "advertiser": rng.integers(1, 40, ROWS)}
    users = rng.integers(0, 500, ROWS)
    campaign = _table(rng, range(1, 200), ctr_7d=(0, 0.2, 4), spend=(0, 900, 2), impressions=(0, 90_000, 0))
    advertiser = _table(rng, range(1, 40), ctr_7d=(0, 0.2, 4), budget_left=(0, 5_000, 2))
    user = _table(rng, [f"u{number:05x}" for number in range(500)], clicks_30d=(0, 40, 0), views_30d=(0, 900, 0))
    flat = {
        "bid": rng.gamma(2, 0.4, ROWS).round(3),
        "is_mobile": rng.integers(0, 2, ROWS).astype(bool),
        "device_type": texts(rng, devices, ROWS),
        "os": texts(rng, systems, ROWS),
        "country": texts(rng, countries, ROWS),
        "slot": texts(rng, slots, ROWS),
    }
    creative = {
        "width": rng.choice([300, 728, 970], ROWS),
        "height": rng.choice([50, 90, 250], ROWS),
        "format": texts(rng, formats, ROWS),
    }
    of_user = user.iloc[users]
    model = {
        **flat,
        **{f"creative_{name}": values for name, values in creative.items()},
        "hour": moments.hour,
        "weekday": moments.day_of_week,
        "campaign_ctr_7d": campaign["ctr_7d"].loc[ids["campaign"]],
        "advertiser_ctr_7d": advertiser["ctr_7d"].loc[ids["advertiser"]],
        "impressions": campaign["impressions"].loc[ids["campaign"]],
        "budget_left": advertiser["budget_left"].loc[ids["advertiser"]],
        "user_clicks_30d": of_user["clicks_30d"],
        "user_views_30d": of_user["views_30d"],
        "user_ctr": of_user["clicks_30d"] / (1 + of_user["views_30d"]),
    }
    stats = {name: f"feat:{name}:{{{name}_id}}" for name in ids} | {"user": "feat:user:{user_id}"}
    truth = {
        "bid": event("bid"),
        "is_mobile": event("is_mobile"),
        "device_type": category("device_type", *devices),
        "os": category("os", *systems),
        "country": category("country", *countries),
        "slot": category("slot", *slots),
        "creative_width": event("creative.width"),
        "creative_height": event("creative.height"),
        "creative_format": category("creative.format", *formats),
        "hour": part("ts", "hour"),
        "weekday": part("ts", "weekday"),
        "campaign_ctr_7d": feature(stats["campaign"], "ctr_7d"),
        "advertiser_ctr_7d": feature(stats["advertiser"], "ctr_7d"),
        "impressions": feature(stats["campaign"], "impressions"),
        "budget_left": feature(stats["advertiser"], "budget_left"),
        "user_clicks_30d": feature(stats["user"], "clicks_30d"),
        "user_views_30d": feature(stats["user"], "views_30d"),
        "user_ctr": formula("user_clicks_30d / (1 + user_views_30d)"),
    }
    schema = _record(
        "Impression",
        impression_id={"type": "string", "logicalType": "uuid"},
        ts={"type": "long", "logicalType": "timestamp-micros"},
        campaign_id="int",
        advertiser_id="int",
        user_id=["null", "string"],
        device_type=_enum("Device", devices),
        os="string",
        country="string",
        slot=_enum("Slot", [*slots, "interstitial"]),
        creative=_record("Creative", width="int", height="int", format="string"),
        bid="double",
        is_mobile="boolean",
    )
    events = [
        {
            "impression_id": f"00000000-0000-4000-8000-{row:012d}",
            "ts": moments[row].isoformat(),
            **{f"{name}_id": int(values[row]) for name, values in ids.items()},
            "user_id": f"u{users[row]:05x}",
            **{name: _plain(values[row]) for name, values in flat.items()},
            "creative": {name: _plain(values[row]) for name, values in creative.items()},
        }
        for row in range(SAMPLES)
    ]
    tables_of = {"campaign": campaign, "advertiser": advertiser, "user": user}
    hashes = {key: row for name, table in tables_of.items() for key, row in _hashes(f"feat:{name}:{{}}", table).items()}
    return Case("ads", train(folder / "ctr.ubj", model, 2), schema, truth, hashes, events=events)


def sensors(folder: Path) -> Case:
    """Machines: logical types, two dates, keys with slashes that are not named like a field."""
    rng = np.random.default_rng(3)
    firmwares = ["v1", "v2", "v3"]
    serials = [f"SN-{number:04d}" for number in range(300)]
    devices, sites = rng.integers(0, 300, ROWS), rng.integers(0, 12, ROWS)
    moments = _moments(rng)
    installed = pd.Timestamp("2020-01-01") + pd.to_timedelta(devices * 5, unit="D")
    calibration = _table(rng, serials, offset_c=(-2, 2, 3), gain=(0.9, 1.1, 4), repairs=(0, 5, 0))
    site = _table(rng, [f"plant-{number}" for number in range(12)], altitude=(0, 900, 0), mean_load=(0, 1, 3))
    flat = {
        "temperature": rng.normal(60, 15, ROWS).round(2),
        "humidity": rng.uniform(10, 90, ROWS).round(1),
        "battery_mv": rng.integers(2_800, 4_200, ROWS),
        "pressure": rng.normal(1_000, 20, ROWS).round(1),
        "firmware": texts(rng, firmwares, ROWS),
    }
    floor = rng.integers(0, 6, ROWS)
    model = {
        **flat,
        "floor": floor,
        "measured_hour": moments.hour,
        "measured_day_of_week": moments.day_of_week,
        "month_of_installed": installed.month,
        "offset_c": calibration["offset_c"].iloc[devices],
        "gain": calibration["gain"].iloc[devices],
        "repairs": calibration["repairs"].iloc[devices],
        "site_altitude": site["altitude"].iloc[sites],
        "site_mean_load": site["mean_load"].iloc[sites],
        "age_days": (moments.tz_localize(None) - installed).days,
    }
    key, of_site = "calib/{serial}", "site/{location.site}"
    truth = {
        **{name: event(name) for name in ("temperature", "humidity", "battery_mv", "pressure")},
        "firmware": category("firmware", *firmwares),
        "floor": event("location.floor"),
        "measured_hour": part("measured_at", "hour"),
        "measured_day_of_week": part("measured_at", "weekday"),
        "month_of_installed": part("installed_on", "month"),
        "offset_c": feature(key, "offset_c"),
        "gain": feature(key, "gain"),
        "repairs": feature(key, "repairs"),
        "site_altitude": feature(of_site, "altitude"),
        "site_mean_load": feature(of_site, "mean_load"),
        "age_days": UNKNOWN,
    }
    schema = _record(
        "Reading",
        serial="string",
        gateway="string",
        measured_at={"type": "long", "logicalType": "timestamp-millis"},
        installed_on={"type": "int", "logicalType": "date"},
        location=_record("Location", site="string", floor="int"),
        temperature="float",
        humidity="float",
        battery_mv=["int", "null"],
        pressure={"type": "fixed", "name": "Pressure", "size": 4, "logicalType": "decimal", "precision": 6, "scale": 1},
        firmware=_enum("Firmware", firmwares),
    )
    events = [
        {
            "serial": serials[devices[row]],
            "gateway": f"gw-{row % 7}",
            "measured_at": moments[row].isoformat(),
            "installed_on": installed[row].date().isoformat(),
            "location": {"site": f"plant-{sites[row]}", "floor": int(floor[row])},
            **{name: _plain(values[row]) for name, values in flat.items()},
        }
        for row in range(SAMPLES)
    ]
    hashes = _hashes("calib/{}", calibration) | _hashes("site/{}", site)
    return Case("sensors", train(folder / "failure.ubj", model, 3), schema, truth, hashes, events=events)


def orders(folder: Path) -> Case:
    """A shop: the schema in a registry, keys of one and of two fields, the same name in several hashes."""
    rng = np.random.default_rng(4)
    channels, countries = ["app", "store", "web"], ["AT", "CH", "DE"]
    customers, products = rng.integers(1, 300, ROWS), rng.integers(7_000, 7_200, ROWS)
    moments = _moments(rng)
    customer = _table(rng, range(1, 300), lifetime_value=(0, 9_000, 2), orders=(0, 80, 0))
    product = _table(rng, range(7_000, 7_200), stock=(0, 500, 0), price_avg=(1, 90, 2), orders=(0, 4_000, 0))
    pairs = dict.fromkeys(f"{one}:{other}" for one, other in zip(customers, products, strict=True))
    both = _table(rng, list(pairs), bought_90d=(0, 9, 0), returned_90d=(0, 4, 0))
    flat = {
        "qty": rng.integers(1, 9, ROWS),
        "unitPrice": rng.gamma(2, 15, ROWS).round(2),
        "channel": texts(rng, channels, ROWS),
    }
    country = {name: texts(rng, countries, ROWS) for name in ("shippingAddress", "billingAddress")}
    of_pair = both.loc[[f"{one}:{other}" for one, other in zip(customers, products, strict=True)]]
    model = {
        "qty": flat["qty"],
        "unit_price": flat["unitPrice"],
        "channel": flat["channel"],
        "shipping_address_country": country["shippingAddress"],
        "billing_address_country": country["billingAddress"],
        "placed_hour": moments.hour,
        "placed_weekday": moments.day_of_week,
        "lifetime_value": customer["lifetime_value"].loc[customers],
        "customer_orders": customer["orders"].loc[customers],
        "product_orders": product["orders"].loc[products],
        "stock": product["stock"].loc[products],
        "price_avg": product["price_avg"].loc[products],
        "bought_90d": of_pair["bought_90d"],
        "returned_90d": of_pair["returned_90d"],
        "price_ratio": flat["unitPrice"] / product["price_avg"].loc[products].to_numpy(),
    }
    of_customer, of_product = "shop:customer:{customerId}", "shop:product:{productId}"
    joint = "shop:customer_product:{customerId}:{productId}"
    truth = {
        "qty": event("qty"),
        "unit_price": event("unitPrice"),
        "channel": category("channel", *channels),
        "shipping_address_country": category("shippingAddress.country", *countries),
        "billing_address_country": category("billingAddress.country", *countries),
        "placed_hour": part("placedAt", "hour"),
        "placed_weekday": part("placedAt", "weekday"),
        "lifetime_value": feature(of_customer, "lifetime_value"),
        "customer_orders": feature(of_customer, "orders"),
        "product_orders": feature(of_product, "orders"),
        "stock": feature(of_product, "stock"),
        "price_avg": feature(of_product, "price_avg"),
        "bought_90d": feature(joint, "bought_90d"),
        "returned_90d": feature(joint, "returned_90d"),
        "price_ratio": formula("unit_price / price_avg"),
    }
    address = _record("Address", street="string", country="string")
    schema = _record(
        "OrderLine",
        orderId="string",
        placedAt={"type": "long", "logicalType": "timestamp-millis"},
        customerId="long",
        productId="long",
        channel=_enum("Channel", channels),
        qty="int",
        unitPrice={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        shippingAddress=address,
        billingAddress="Address",
        couponCode=["null", "string"],
    )
    events = [
        {
            "orderId": f"o{row}",
            "placedAt": moments[row].isoformat(),
            "customerId": int(customers[row]),
            "productId": int(products[row]),
            **{name: _plain(values[row]) for name, values in flat.items()},
            **{name: {"street": f"{row} Road", "country": str(values[row])} for name, values in country.items()},
            "couponCode": None,
        }
        for row in range(SAMPLES)
    ]
    hashes = (
        _hashes("shop:customer:{}", customer)
        | _hashes("shop:product:{}", product)
        | _hashes("shop:customer_product:{}", both)
    )
    file = train(folder / "returns.ubj", model, 4)
    return Case("orders", file, schema, truth, hashes, events=events, subject="orders-value")


CASES: Mapping[str, Callable[[Path], Case]] = {
    each.__name__: each for each in (flights, payments, rides, ads, sensors, orders)
}


def _record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def _enum(name: str, symbols: list[str]) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": symbols}


def _moments(rng: np.random.Generator) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(START + pd.to_timedelta(rng.integers(0, 60 * 86_400, ROWS), unit="s"))


def _table(rng: np.random.Generator, index: Any, **columns: tuple[float, float, int]) -> pd.DataFrame:
    """A table of features: for each its lowest and highest value, and its digits behind the point."""
    values = {name: rng.uniform(low, high, len(index)).round(digits) for name, (low, high, digits) in columns.items()}
    return pd.DataFrame(values, index=pd.Index(index))


def _hashes(key: str, table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the hashes of a table, by key; a value that is not there is left out."""
    found = {}
    for index, row in zip(table.index, table.to_dict("records"), strict=True):
        fields = {str(name): value for name, value in row.items() if not pd.isna(value)}
        if fields:
            found[key.format(*(index if isinstance(index, tuple) else [index]))] = fields
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
