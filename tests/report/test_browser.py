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
def many(tmp_path_factory, write_run):
    """Four benchmarks, seven methods each, some with long names; 14 methods on a fifth."""
    results = tmp_path_factory.mktemp("many")
    methods = ["joint", "ewc", "vcl", "bayesbinn", "finetune", "bayesbinn_published_fixed_prior", "si"]
    more = [f"method_{number}_of_a_plugin_with_a_long_name" for number in range(7)]
    for number in range(5):
        for place, method in enumerate(methods + (more if number == 4 else [])):
            for seed in range(2):
                where = {"study": f"study_{number}", "strategy": method, "seed": seed}
                write_run(results, **where, num_tasks=5, decay=0.05 * (1 + place))
    report(results, figures=False)
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
    """Opens a report from disk; what the console says, and any request but for the file, is an error."""
    complaints, pages, opened_files = [], [], set()

    def opened(results=folder, **settings):
        page = browser.new_page(**settings)
        pages.append(page)
        address = (results / "report.html").as_uri()
        opened_files.add(address)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if "://" in request.url else None)
        page.goto(address)
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    yield opened
    for page in pages:
        page.close()
    assert [each for each in complaints if each not in opened_files] == []


def width(page):
    """How wide the page is; wider than its window, it scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth")


def wait(page, condition):
    """Wait until a condition holds; the page's security policy forbids Playwright's own waiting."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def heights(page, selector):
    return page.locator(selector).evaluate_all("found => found.map(each => each.offsetHeight)")


def titles(page):
    """The columns of the first table that are shown."""
    return (
        page.locator("main table")
        .first.locator("thead th:visible")
        .evaluate_all("found => found.map(each => (each.querySelector('.sort') ?? each).textContent.trim())")
    )


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
    page.get_by_text("Choose methods, tasks and seeds").click()
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


@pytest.mark.parametrize(("line", "words"), [("mean", "95 % interval"), ("seed 0", "seed 0")])
def test_hovering_shows_the_numbers(open_page, line, words):
    page = open_page()
    if line != "mean":
        page.get_by_text("Choose methods, tasks and seeds").click()
        page.get_by_label(line).check()
        page.get_by_label("mean and 95 % interval").uncheck()
    point = page.locator(".plot .scatterlayer .trace .points path").last
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".plot .hoverlayer .hovertext")
    said = page.locator(".plot .hoverlayer .hovertext").first.text_content()
    assert "after task" in said
    assert "%" in said
    assert words in said


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
@pytest.mark.parametrize("size", [390, 1280])
def test_it_fits_a_phone_and_a_screen(open_page, size, scheme):
    page = open_page(viewport={"width": size, "height": 844}, color_scheme=scheme)
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")
    assert width(page) == size
    plot = page.locator(".plot .main-svg").first.bounding_box()
    assert plot["width"] <= size


@pytest.mark.parametrize(("size", "columns"), [(1280, 5), (390, 3)])
def test_tables_show_what_has_room(open_page, many, size, columns):
    """14 methods and long names too: no table scrolls sideways before the reader chooses more."""
    page = open_page(many, viewport={"width": size, "height": 800})
    assert width(page) == size
    assert len(titles(page)) == columns
    over = "found => found.filter(each => each.scrollWidth > each.clientWidth).length"
    assert page.locator(".results .scroll").evaluate_all(over) == 0


def test_a_reader_chooses_columns_of_all_tables(open_page, many):
    page = open_page(many, viewport={"width": 1280, "height": 800})
    assert titles(page) == ["method", "seeds", "average accuracy", "forgetting", "learning accuracy"]
    page.get_by_role("button", name="Columns").first.click()
    for name in ("backward transfer", "forward transfer", "worst task", "anytime accuracy", "settings"):
        page.locator("#columns").get_by_label(name).check()
    page.locator("#columns").get_by_label("seeds").uncheck()
    page.keyboard.press("Escape")
    assert not page.locator("#columns").is_visible()
    assert titles(page) == [
        *("method", "average accuracy", "forgetting", "backward transfer", "forward transfer"),
        *("learning accuracy", "anytime accuracy", "worst task", "settings"),
    ]
    assert (
        page.locator("td.c-worst_task_accuracy:visible").count()
        == page.locator("main tbody td.c-seeds").count()
    )
    assert width(page) == 1280


def test_a_study_takes_less_than_a_screen_before_something_is_unfolded(open_page, many):
    """So that the 17 tables of results/reference are fewer than 15 screens of 800 pixels."""
    page = open_page(many, viewport={"width": 1280, "height": 800})
    *groups, of_14_methods = heights(page, ".group")
    assert len(groups) == 4
    assert max(groups) < 650
    assert of_14_methods < 900
    assert sum(heights(page, "main > :not(.group)")) < 1_500


@pytest.mark.parametrize("size", [390, 1280])
def test_navigation_stays_and_marks_what_is_read(open_page, many, size):
    page = open_page(many, viewport={"width": size, "height": 800})
    for number in (4, 2):
        page.locator(f"#group-{number}").evaluate("element => element.scrollIntoView()")
        wait(page, f"document.querySelector('nav [aria-current]').hash === '#group-{number}'")
        assert page.locator("nav [aria-current]").count() == 1
        assert page.locator(".bar").bounding_box()["y"] == 0
        if size == 390:
            assert page.locator(".bar button").inner_text().endswith(f"study_{number - 1}")
            assert not page.locator("nav").is_visible()
            page.locator(".bar button").click()
        assert page.get_by_role("link", name="study_4").is_visible()
        if size == 390:
            page.keyboard.press("Escape")


def test_a_menu_closes_when_it_has_led_somewhere(open_page, many):
    page = open_page(many, viewport={"width": 390, "height": 844})
    page.locator(".bar button").click()
    page.get_by_role("link", name="study_3").click()
    assert not page.locator("nav").is_visible()
    box = page.locator("#group-4 h2").bounding_box()
    assert page.locator(".bar").bounding_box()["height"] <= box["y"] < 200, "not under the bar"


def test_a_definition_opens_by_keyboard_and_by_touch(open_page):
    page = open_page()
    button = page.get_by_role("button", name="what forgetting is").first
    assert "R[t, j]" in button.get_attribute("title")
    definition = page.locator("#what-forgetting")
    assert not definition.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert definition.is_visible()
    assert "lower is better" in definition.inner_text()
    page.keyboard.press("Escape")
    assert not definition.is_visible()
    phone = open_page(viewport={"width": 390, "height": 844}, has_touch=True)
    phone.get_by_role("button", name="what forgetting is").first.tap()
    box = phone.locator("#what-forgetting").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_figures_are_folded_by_kind_and_say_what_is_to_be_seen(open_page):
    page = open_page()
    images = page.locator("main img")
    assert images.count() == 3
    assert not any(image.is_visible() for image in images.all())
    page.locator(".folds summary", has_text="heatmap").click()
    image = page.locator("main img:visible")
    assert image.count() == 1
    wait(page, "document.querySelector('main details[open] img').naturalWidth > 0")
    said = page.locator("main details[open] figcaption").first.inner_text()
    assert "A column that fades downwards is a task that is forgotten." in said
    assert "worst task is highest for ewc" in said.lower()


def test_without_scripts_all_but_drawing_and_sorting_works(open_page):
    page = open_page(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    page.get_by_role("link", name="What the numbers mean").click()
    assert page.locator("#meaning h2").bounding_box()["y"] < 800
    page.get_by_role("button", name="Columns").first.click()
    page.locator("#columns").get_by_label("backward transfer").check()
    assert page.locator("th.c-backward_transfer").first.is_visible()
    assert not page.locator("th.c-forward_transfer").first.is_visible()
    assert page.get_by_text("Drawing needs JavaScript").first.is_visible()
    phone = open_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
    phone.locator(".bar button").click()
    assert phone.get_by_role("link", name="permuted_mnist").is_visible()


def test_on_paper_there_are_results_and_no_navigation(open_page):
    page = open_page(viewport={"width": 794, "height": 1123})
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.get_by_role("button", name="Columns").first.is_visible()
    assert page.locator(".results table").first.is_visible()
    assert width(page) <= 794


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
