"""Documents of alerts for commands to read: an earthquake as BMKG tells it, and a CAP alert to be filled in."""

from __future__ import annotations

CAP = """<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>a</identifier><sender>s</sender>\
<sent>2026-11-21T08:00:00+07:00</sent><status>{status}</status><msgType>Alert</msgType><scope>Public</scope>{info}\
</alert>"""

BMKG = """{"Infogempa": {"gempa": {"Tanggal": "21 Nov 2026", "Jam": "08:00:00 WIB", "Coordinates": "-8.51,123.27",
"DateTime": "2026-11-21T01:00:00+00:00", "Lintang": "8.51 LS", "Bujur": "123.27 BT", "Magnitude": "5.1",
"Kedalaman": "12 km", "Wilayah": "Pusat gempa berada di darat 24 km baratdaya Lembata", "Potensi": ""}}}"""
