import asyncio
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from acme_former import REASONS, SWING, AcmeFormer, run

    import hub
    from hub.testing import FakeSession, Reply

DEVICE = hub.Device(id="former:42", integration="acme_former", place="boiler-room")


def test_what_was_right_for_the_release_before_still_works():
    session = FakeSession("acme_former", devices=[DEVICE], metrics=(SWING,))
    session.http.replies["GET", "http://192.168.1.20/"] = Reply(200, {}, b'{"sn": 42, "t": 215}')
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(session.run(run, AcmeFormer(url="http://192.168.1.20/")))
    assert session.reports[0].values == {"temperature": 21.5, "acme_swing": 3.5}
    assert session.unworded(REASONS) == []
    assert session.refused == []
    said = " ".join(str(one.message) for one in told)
    for former in ("timezone", "declare", "rounds", "tell", "emit_all", "dropped"):
        assert f"session.{former} is now session." in said
    assert "the old name ends with 0.2" in said
