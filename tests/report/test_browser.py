"""The page in a real browser: Debian's chromium, driven by Playwright."""

import shutil

import pytest

from cl_bench.report.build import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: the page was not opened in a browser")

NASTY = "<img src=x onerror=alert(1)></script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_run):
    """Two methods and three seeds, one of another's name that is not nice, one failed."""
    results = tmp_path_factory.mktemp("results")
    for seed in range(3):
        write_run(results, strategy="ewc", seed=seed, decay=0.05)
        write_run(results, strategy="vcl", seed=seed, decay=0.2)
        write_run(results, strategy="mine", seed=seed, decay=0.4, settings={"strategy.name": "x"})
    for seed in (3, 4):  # swept, with a value that a plug-in may have
        named = {"strategy.kind": NASTY if seed == 4 else "nice"}
        write_run(results, strategy="odd", seed=seed, settings=named, run_hash=f"{seed:06}")
    write_run(results, strategy="vcl", seed=3, status="failed", last_task=1, error=f"ValueError: {NASTY}")
    report(results)
    return results


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, folder):
    """Opens the report from disk; what the console says, and any request but for the file, is an error."""
    complaints, pages = [], []

    def opened(**settings):
        page = browser.new_page(**settings)
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if "://" in request.url else None)
        page.goto((folder / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    yield opened
    for page in pages:
        page.close()
    assert [each for each in complaints if each != (folder / "report.html").as_uri()] == []


def drawn(page):
    """The names of the lines that Plotly shows, from its own state."""
    return page.evaluate(
        "document.querySelector('.plot').data.filter(line => !line.fill).map(line => line.name)"
    )


def column(page, number):
    return page.locator("main table").first.locator(f"tbody tr > :nth-child({number})").all_inner_texts()


def test_a_method_a_task_and_a_seed_can_be_chosen(open_page):
    page = open_page()
    assert page.locator(".plot svg .scatterlayer .trace").count() > 0
    assert {"ewc, mean of tasks seen", "vcl, mean of tasks seen"} < set(drawn(page))
    page.get_by_label("vcl", exact=True).uncheck()
    assert "ewc, mean of tasks seen" in drawn(page)
    assert not any(name.startswith("vcl") for name in drawn(page))
    page.get_by_label("mean of tasks seen").uncheck()
    page.get_by_label("task 2").check()
    assert "ewc, task 2" in drawn(page)
    assert not any("mean" in name for name in drawn(page))
    before = len(drawn(page))
    page.get_by_label("seed 0").check()
    assert len(drawn(page)) == before + 2  # ewc and mine have it


def test_hovering_shows_the_numbers(open_page):
    page = open_page()
    point = page.locator(".plot .scatterlayer .trace .points path").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".plot .hoverlayer .hovertext")
    said = page.locator(".plot .hoverlayer .hovertext").first.text_content()
    assert "after task" in said
    assert "%" in said


def test_a_table_sorts_by_a_column_and_turns(open_page):
    page = open_page()
    button = page.get_by_role("button", name="average accuracy").first
    heading = page.locator("main table").first.locator("th", has=button)
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    down = [float(text.split(" ")[0]) for text in column(page, 3)]
    assert down == sorted(down, reverse=True)
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(text.split(" ")[0]) for text in column(page, 3)] == down[::-1]
    page.get_by_role("button", name="method").first.click()
    names = column(page, 1)
    assert names == sorted(names, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(open_page, scheme):
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    plot = page.locator(".plot .main-svg").first.bounding_box()
    assert plot["width"] <= 390


def test_names_from_configurations_are_text(open_page, folder):
    page = open_page()
    assert "how much is forgotten" in page.title()
    assert page.locator("img[src=x]").count() == 0
    assert NASTY in page.locator(".notes").inner_text()
    assert NASTY in page.locator("main table").first.inner_text()
    assert any("&lt;img" in name for name in drawn(page)), "Plotly reads tags, so they are escaped for it"
    assert page.locator(".plot svg image").count() == 0


def test_no_script_runs_but_the_pages_own_and_nothing_is_fetched(browser, folder):
    """The policy: a tag that got in after all would do nothing."""
    page = browser.new_page()
    page.goto((folder / "report.html").as_uri())
    page.evaluate("() => { const tag = document.createElement('script'); tag.text = 'window.ran = 1';"
                  "document.body.append(tag); }")  # fmt: skip
    assert page.evaluate("window.ran") is None
    assert page.evaluate("fetch('summary.csv').then(() => 'fetched', () => 'refused')") == "refused"
    page.close()
