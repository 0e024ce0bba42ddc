import asyncio

from acme_thermo import AcmeThermo, run

from hub.sdk.testing import FakeSession, Reply


def test_it_reports_what_the_thermometer_says():
    session = FakeSession("acme_thermo")
    session.http.replies["GET", "http://192.168.1.20/"] = Reply(200, {}, b'{"sn": 42, "t": 215}')
    asyncio.run(session.run(run, AcmeThermo(url="http://192.168.1.20/")))
    assert session.reports[0].device == "acme:42"
    assert session.reports[0].values == {"temperature": 21.5}
