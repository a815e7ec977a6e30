"""The player in a real browser, over real clips: what a person sees and presses, and what the platform is told of it.

With PICTURES set, pictures for README.md and docs/player.md are made on the way.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.host import npm
from jobs.settings import cache
from serving.app import create_app
from tests.chromium import Chromium
from tests.serving.conftest import over_http
from tests.serving.player.conftest import IDS, ODD, REASONS, TITLES, VERSION, World
from tests.serving.player.person import DESK, PHONE, STILL, Person

pytestmark = pytest.mark.browser

DOWN, UP, SPACE, ESCAPE, TAB = "\ue015", "\ue013", " ", "\ue00c", "\ue004"
# MPL-2.0: used here, and part of nothing that we hand out.
AXE = npm.Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "axe-4.14.1.js"},
)
MISSING = "Failed to load resource: the server responded with a status of 404 (Not Found)"
TWICE = "const button = document.querySelector(arguments[0]); button.focus(); button.click(); button.click();"
TAPS = """
const tap = () => new MouseEvent('click', {bubbles: true, detail: 1, clientX: 600, clientY: 400});
const surface = document.querySelector('.is-current [data-act=tap]');
surface.dispatchEvent(tap());
surface.dispatchEvent(tap());
"""
# Events that a closing page cannot send all at once, while what is not sent as its last words gets no answer.
LASTING = """
const waits = Array.from({length: 500}, (_, n) => ({event_id: `ola-${n}`, user_id: 'ola', video_id: 'clip-0001',
    event_type: 'share', event_at: '2026-01-18T12:00:00Z', session_id: 'x'.repeat(100)}));
localStorage.setItem('reelmill:unsent', JSON.stringify(waits));
const {fetch} = window;
window.fetch = (address, asked) => asked?.keepalive ? fetch(address, asked) : new Promise(() => {});
"""
# A moment of the next clip, which then stands still; and on to the one after it.
GOES_ON_SOON = """
const [done] = arguments;
const down = document.getElementById('down');
down.click();
const video = document.querySelector('.is-current video');
video.addEventListener('playing', () => setTimeout(() => video.pause(), 50));
setTimeout(() => { down.click(); done(); }, 800);
"""
FOCUS = """
const has = document.activeElement;
return [has.closest('.clip')?.dataset.videoId ?? '', has.dataset.act ?? has.id];
"""
MUTE = "localStorage[`reelmill:mutes:${JSON.parse(localStorage['reelmill:stranger'])}`] = arguments[0];"
MUTES = [{"video_id": IDS[2], "hashtag": None, "subject": "@eli"}]
MUTED = "return [...document.querySelectorAll('#muted button')].map(one => one.textContent);"
CHOOSE = "[...document.querySelectorAll('#mute button')].find(one => one.textContent == arguments[0]).click();"
LOOK = "axe.run().then(found => arguments[0]([found.violations, found.passes.length]));"
GONE = "Failed to load resource: the server responded with a status of 410 (Gone)"
IS_HIDDEN = "return !document.querySelector(arguments[0])?.checkVisibility({opacityProperty: true})"


def test_a_feed_plays_by_keys_from_clip_to_clip_and_what_was_watched_is_told(
    person: Person, world: World, tmp_path: Path
) -> None:
    person.open("/?viewer=ann")
    for n, video_id in enumerate(IDS):
        # Well beyond what the player takes for passing by.
        person.sees(video_id, played=0.3)
        if n == 1:
            person.picture("player-desk", tmp_path)
        person.window.press(DOWN)
    person.window.see("You have seen it all")
    person.window.press(UP)
    person.sees(IDS[-1])
    time.sleep(0.5)  # It goes on from where it was, and who leaves at once only passes by.
    person.leave()
    watched = [*IDS, IDS[-1]]
    views = world.events("ann", len(watched), event_type="view")
    assert [(view["video_id"], view["position"]) for view in views] == [(one, IDS.index(one)) for one in watched]
    assert all(100 < view["watch_ms"] < 60_000 and view["feed_version"] == VERSION for view in views[:-1])
    assert [shown["video_id"] for shown in world.events("ann", event_type="impression")] == watched
    assert len({event["session_id"] for event in world.events("ann")}) == 1


def test_ten_clips_follow_a_finger_on_a_phone_both_ways(person: Person) -> None:
    person.open("/?viewer=bo", screen=PHONE)
    for video_id in IDS[:10]:
        person.sees(video_id, played=0.1)
        person.window.swipe(190, 650, 150)
    person.sees(IDS[10])
    person.window.swipe(190, 150, 650)
    person.sees(IDS[9])
    person.window.screen(*reversed(PHONE), phone=True)
    person.sees(IDS[9])
    assert person.shown() == IDS[9]


def test_who_goes_on_and_back_for_long_leaves_nothing_behind(person: Person) -> None:
    def listeners() -> int:
        person.window.tool("HeapProfiler.collectGarbage")
        return int(person.window.tool("Memory.getDOMCounters")["jsEventListeners"])

    person.open("/?viewer=ann")
    counts = []
    for _ in range(3):
        for key in (*[DOWN] * 6, *[UP] * 6):
            person.window.press(key)
            time.sleep(0.05)
        person.sees(IDS[0], played=0.1)
        counts.append(listeners())
    assert counts[2] - counts[0] < 6, counts


def test_a_wheel_turns_one_clip_at_a_time(person: Person) -> None:
    person.open("/")
    person.sees(IDS[0])
    turn = {"type": "scroll", "x": 600, "y": 400, "deltaX": 0, "deltaY": 120, "duration": 0, "origin": "viewport"}
    person.window.ask("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [turn]}]})
    person.sees(IDS[1], played=0.1)
    time.sleep(0.5)
    assert person.shown() == IDS[1]


def test_a_like_and_a_share_are_told_once_and_a_like_is_remembered(
    person: Person, world: World, tmp_path: Path
) -> None:
    person.open("/?viewer=cy", screen=PHONE)
    person.sees(IDS[0], played=0.2)
    person.window.press("l")
    person.window.press("l")
    like = world.told("cy", event_type="like")
    assert (like["video_id"], like["position"], like["feed_version"]) == (IDS[0], 0, VERSION)
    person.window.wait("return document.querySelector('.is-current [data-act=like]').ariaLabel == 'Like, 12'")
    person.picture("player-phone", tmp_path)
    person.window.click(".is-current [data-act=share]")
    assert world.told("cy", event_type="share")["video_id"] == IDS[0]
    person.come_back(f"/?video={IDS[0]}")
    person.sees(IDS[0])
    assert person.window.run("return document.querySelector('.is-current [data-act=like]').ariaPressed") == "true"
    # The likes of an earlier visit are the night's to count.
    person.window.wait("return document.querySelector('.is-current [data-act=like]').ariaLabel == 'Like, 11'")


def test_what_somebody_does_not_want_leaves_the_screen_at_once_and_is_told(person: Person, world: World) -> None:
    person.open("/?viewer=di")
    person.sees(IDS[0], played=0.1)
    person.window.press(DOWN)
    person.sees(IDS[1], played=0.1)
    # Twice, as impatient people do.
    person.window.run(
        "const it = document.querySelector('.is-current [data-act=refuse]'); it.focus(); it.click(); it.click();"
    )
    person.sees(IDS[2], played=0.1)
    assert world.told("di", event_type="not_interested")["video_id"] == IDS[1]
    assert person.window.run(f"return document.querySelector('[data-video-id={IDS[1]}]')") is None
    # Who pressed a button that went with its clip goes on by keys in the next one.
    assert person.window.run("return document.activeElement.dataset.videoId") == IDS[2]
    # Of who made it, the feed has another clip.
    person.window.click(".is-current [data-act=mute]")
    person.window.see("What do you want no more of?")
    person.window.run(CHOOSE, "@eli")
    person.sees(IDS[3], played=0.1)
    assert world.told("di", event_type="mute_creator")["video_id"] == IDS[2]
    left = person.window.run("return [...document.querySelectorAll('[data-video-id]')].map(one => one.dataset.videoId)")
    assert IDS[3] in left and not {IDS[2], IDS[7]} & {*left}
    person.window.click(".is-current [data-act=mute]")
    person.window.run(CHOOSE, "#sunset")
    person.sees(IDS[4])
    muted = world.told("di", event_type="mute_hashtag")
    assert (muted["video_id"], muted["hashtag"]) == (IDS[3], "sunset")
    # Another day, they think better of one of both.
    person.come_back()
    person.sees(None)
    person.window.click(".is-current [data-act=mute]")
    person.window.see("Muted here")
    assert person.window.run(MUTED) == ["@eli", "#sunset"]
    person.window.run(CHOOSE.replace("#mute ", "#muted "), "@eli")
    assert world.told("di", event_type="unmute_creator")["video_id"] == IDS[2]
    person.window.click(".is-current [data-act=mute]")
    assert person.window.run(MUTED) == ["#sunset"]


def test_why_this_says_the_reason_and_what_chance_did(person: Person, tmp_path: Path) -> None:
    person.open("/?viewer=ed", screen=PHONE)
    person.sees(IDS[0], played=0.2)
    person.window.click(".is-current [data-act=why]")
    person.window.see(REASONS[0])
    person.window.see(f"Place 1 of the feed {VERSION}.")
    assert person.window.run(IS_HIDDEN, "#why-chance")
    person.picture("player-why", tmp_path)
    person.window.press(ESCAPE)
    assert person.window.run("return document.activeElement.dataset.act") == "why"
    person.window.press(DOWN)
    person.window.press(DOWN)
    person.sees(IDS[2])
    person.window.click(".is-current [data-act=why]")
    person.window.see("Chance filled this place")


def test_it_is_silent_until_somebody_wants_sound_and_remembers_that(person: Person) -> None:
    is_muted = "return document.querySelector('.is-current video').muted"
    person.open("/?viewer=ivy")
    person.sees(IDS[0], played=0.1)
    assert person.window.run(is_muted)
    person.window.see("Tap for sound")
    person.window.press("m")
    assert not person.window.run(is_muted)
    person.window.press(DOWN)
    person.sees(IDS[1], played=0.2)
    assert not person.window.run(is_muted)
    # A page that was opened anew may not be heard before a first press.
    person.come_back()
    person.sees(None, played=0.1)
    assert person.window.run(is_muted)
    person.window.see("Tap for sound")
    person.window.press(DOWN)
    person.sees(None, played=0.1)
    assert not person.window.run(is_muted)


def test_space_and_a_tap_stop_a_clip_and_let_it_go_on_and_two_taps_like_it(person: Person, world: World) -> None:
    runs = "return !document.querySelector('.is-current video').paused"
    person.open("/?viewer=flo")
    person.sees(IDS[0], played=0.1)
    person.window.press(SPACE)
    assert not person.window.run(runs)
    person.window.click(".is-current [data-act=tap]")
    person.window.wait(runs)
    person.window.run(TAPS)
    assert world.told("flo", event_type="like")["video_id"] == IDS[0]
    assert person.window.run(runs)


def test_a_page_out_of_sight_stops_and_tells_and_what_was_passed_on_the_way_is_not_told(
    person: Person, world: World
) -> None:
    person.open("/?viewer=gil")
    person.window.wait(f"return document.title.startsWith('{TITLES[0]}')")
    # Two are passed on the way, as with a finger that does not wait.
    person.window.run("for (let n = 0; n < 3; n += 1) document.getElementById('down').click()")
    person.sees(IDS[3], played=0.3)
    person.leave()
    assert world.told("gil", event_type="view", video_id=IDS[3])["watch_ms"] >= 250
    assert not {event["video_id"] for event in world.events("gil")} & set(IDS[1:3])


def test_who_goes_on_before_a_fifth_of_a_clip_has_skipped_it(person: Person, world: World) -> None:
    person.open("/?viewer=pia")
    person.sees(IDS[0])
    person.window.run_async(GOES_ON_SOON)
    person.sees(IDS[2], played=0.3)
    person.leave()
    assert world.told("pia", event_type="skip", video_id=IDS[1])["position"] == 1


def test_when_a_version_is_gone_the_feed_goes_on_with_what_did_not_come_yet(person: Person, world: World) -> None:
    person.open("/?viewer=hal")
    person.sees(IDS[0])
    # Ten came with the first page. All of that version goes, and another one is there.
    stale = list(world.redis.scan_iter("feed:*:u:{seen:hal}"))
    world.publish("20260119.lightgbm")
    world.redis.delete(*stale)
    for video_id in IDS[1:6]:
        person.window.press(DOWN)
        person.sees(video_id)
    person.window.wait(f"return document.querySelectorAll('[data-video-id]').length >= {len(IDS)}")
    assert person.window.run("return [...document.querySelectorAll('.clip')].map(c => c.dataset.videoId)")[:-1] == IDS
    assert [message.partition(" - ")[2] for message in person.console()] == [GONE]
    world.publish()


def test_what_could_not_be_sent_is_sent_by_the_next_visit(person: Person, world: World) -> None:
    person.open("/?viewer=mia")
    person.sees(IDS[0])
    person.window.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
    person.window.press("l")
    # A network that wants a login answers in the endpoint's place.
    person.window.run("window.fetch = () => Promise.resolve(new Response('<h1>Log in</h1>'))")
    person.leave()
    assert world.events("mia", 0, event_type="like") == []
    person.come_back()
    assert world.told("mia", event_type="like")["video_id"] == IDS[0]


def test_a_pages_last_words_wait_for_no_answer_and_the_newest_of_many_go_first(person: Person, world: World) -> None:
    person.open("/?viewer=ola")
    person.sees(IDS[0])
    person.window.run(LASTING)
    person.window.press("l")
    person.leave()
    assert world.told("ola", event_type="like")["video_id"] == IDS[0]
    assert len(world.events("ola", event_type="share")) < 500


def test_a_shared_clip_comes_first_and_then_the_feed_without_it(person: Person) -> None:
    person.open(f"/?video={IDS[1]}")
    person.sees(IDS[1])
    person.window.press(DOWN)
    person.sees(IDS[0])
    person.window.press(DOWN)
    person.sees(IDS[2])
    order = "return [...document.querySelectorAll('.clip')].map(clip => clip.dataset.videoId)"
    assert person.window.run(order)[:3] == [IDS[1], IDS[0], IDS[2]]


def test_a_stranger_gets_what_is_popular_and_whoever_says_who_they_are_is_remembered(
    person: Person, world: World
) -> None:
    person.open("/")
    person.sees(IDS[0], played=0.1)
    assert person.window.run("return document.getElementById('to-who').innerText").endswith("Guest")
    person.window.click("#to-who")
    person.window.type("#who-id", "no/body")
    person.window.press("\ue007")
    person.window.see("none of them a slash")
    person.window.run("document.getElementById('who-id').value = ''")
    person.window.type("#who-id", "jo\ue007")
    person.window.wait("return document.getElementById('who-name')?.innerText == 'jo'")
    person.sees(IDS[0], played=0.5)
    person.come_back()
    assert world.events("jo", event_type="impression")[0]["video_id"] == IDS[0]
    person.sees(None)
    person.window.click("#to-who")
    person.window.click("#who-stranger")
    person.window.wait("return document.getElementById('who-name').innerText == 'Guest'")


def test_what_rises_is_listed_with_its_reason_and_plays_from_the_one_that_was_chosen(
    person: Person, world: World, tmp_path: Path
) -> None:
    person.open("/?viewer=kay")
    person.sees(IDS[0])
    person.window.press(DOWN)
    person.sees(IDS[1])
    person.window.click("#to-trending")
    person.window.see("43 people in half a day; 5 were to be expected.")
    person.window.see("#sunset")
    person.picture("player-trending", tmp_path)
    person.window.click(f"#rising a[href='#trending/{IDS[1]}']")
    person.sees(IDS[1], played=0.1)
    person.window.press(DOWN)
    person.sees(IDS[8], played=0.5)
    person.window.ask("POST", "/back", {})
    person.window.see("As of ")
    person.window.click("#to-feed")
    person.sees(IDS[1], played=0.1)
    assert person.window.run("return document.title") == f"{TITLES[1]} · Reelmill"
    person.leave()
    assert world.told("kay", event_type="impression", video_id=IDS[8])["feed_version"] is None


def test_a_video_without_a_clip_shows_its_title_and_a_clip_that_does_not_come_says_so(person: Person) -> None:
    person.open(f"/?viewer={ODD}")
    person.window.see(TITLES[0])
    assert person.shown() == "clip-none" and person.window.run(IS_HIDDEN, ".is-current .broken")
    person.window.press(SPACE)
    assert person.window.run("return document.querySelector('.is-current.is-paused')") is None
    person.window.press(DOWN)
    person.window.see("This clip cannot be played.")
    person.window.press(DOWN)
    person.sees(IDS[2], played=0.1)
    assert {message.partition(" - ")[2] for message in person.console()} == {MISSING}


def test_an_address_that_is_spoilt_leaves_the_feed_and_who_watches(person: Person) -> None:
    person.open("/?viewer=no%2Fbody&video=no%2Fclip#trending/%E0%A4%A")
    person.window.see("As of ")
    person.window.click("#to-feed")
    person.sees(IDS[0])
    assert person.window.run("return [location.search, document.getElementById('who-name').innerText]") == [
        "?video=no%2Fclip", "Guest",
    ]  # fmt: skip
    assert [message for message in person.console() if "422" not in message] == []


def test_markup_in_a_title_and_a_hashtag_is_text(person: Person) -> None:
    person.open(f"/?video={IDS[11]}")
    person.window.see(TITLES[11])
    person.window.see("#<b>maths</b>")
    assert person.window.run("return document.querySelector('.words :is(img, b)')") is None


@pytest.fixture
def empty(server_url: str, world: World, window: Chromium, tmp_path: Path) -> Iterator[Person]:
    """Somebody at an endpoint that has no feeds yet; its console may complain of what did not come."""
    nothing = create_app(
        redis_url=f"{server_url.rpartition('/')[0]}/1", media=tmp_path, events=tmp_path, landing=tmp_path, secret="s"
    )
    with over_http(nothing) as http:
        yield Person(window, str(http.base_url))
        window.open("about:blank")


def test_before_the_first_night_it_says_so_and_without_an_answer_it_offers_to_try_again(
    empty: Person, world: World
) -> None:
    empty.open("/", screen=PHONE)
    empty.window.see("Nothing to watch yet")
    empty.window.click("#to-trending")
    empty.window.see("Nothing rises at the moment")
    empty.window.tool("Network.enable")
    empty.window.tool("Network.setBlockedURLs", urls=["*/v1/feed/*"])
    person = Person(empty.window, world.url)
    person.open("/")
    person.window.see("The clips did not come")
    person.window.see("Is this device online?")
    person.window.tool("Network.setBlockedURLs", urls=[])
    person.window.click("[data-part=again]")
    person.sees(IDS[0], played=0.1)
    assert any("503" in message for message in person.console())


def test_people_who_cannot_see_or_use_a_mouse_can_use_every_view(person: Person) -> None:
    if not npm.is_there(AXE, cache()):
        npm.fetch(AXE, cache())
    axe = (cache() / "axe-4.14.1.js").read_text()

    def faults() -> dict[str, list[str]]:
        person.window.run_async(STILL)
        person.window.run(axe)
        violations, passed = person.window.run_async(LOOK)
        assert passed > 10
        return {fault["id"]: [node["html"] for node in fault["nodes"]] for fault in violations}

    for screen in (DESK, PHONE):
        person.open("/", screen=screen)
        person.sees(IDS[0], played=0.1)
        person.window.run(MUTE, json.dumps(MUTES))
        assert faults() == {}
        for button in (".is-current [data-act=why]", ".is-current [data-act=mute]", "#to-who"):
            person.window.click(button)
            assert faults() == {}
            person.window.press(ESCAPE)
        assert person.window.run(MUTED) == ["@eli"]
        person.window.click("#to-trending")
        person.window.see("#sunset")
        assert faults() == {}
        person.window.click("#to-upload")
        person.window.see("Upload a clip")
        assert faults() == {}


def test_the_keyboard_reaches_the_buttons_of_the_clip_that_is_shown_and_of_no_other(person: Person) -> None:
    person.open("/")
    person.sees(IDS[0])
    person.window.press(DOWN)
    person.sees(IDS[1])
    for name in ("tap", "sound", "why", "like", "share", "refuse", "mute"):
        person.window.press(TAB)
        assert person.window.run(FOCUS) == [IDS[1], name]
    for name in ("up", "down"):
        person.window.press(TAB)
        assert person.window.run(FOCUS) == ["", name]


def test_whoever_wants_less_motion_gets_the_next_clip_at_once(person: Person) -> None:
    calm = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    person.open("/")
    person.sees(IDS[0])
    person.window.tool("Emulation.setEmulatedMedia", features=calm)
    person.window.press(DOWN)
    assert person.shown() == IDS[1]
    person.window.tool("Emulation.setEmulatedMedia", features=[])
