"""Our own measurements: rates and ratios, start-up, workers, waiting, the ETL, the machine."""

from __future__ import annotations

from benchmarks.reporting.claims import Claim, find_claims
from benchmarks.reporting.markdown import NOT_RUN, medians, number, percent, table, times
from benchmarks.reporting.results import Results, Row

_BARE = "etl: beside a bare loop"
_CHAPTERS_WAY = "etl: the chapter's way"
_MEMORY = "etl: memory and cost by size"
_STAGES = "etl: share by stage"


def render_machine(results: Results) -> str:
    """Renders what each run says of its machine."""
    parts = []
    for machine in results.machines:
        if "cpu" not in machine:
            parts.append("- a machine that the results don't describe")
            continue
        packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        facts = {
            "processor": f"{machine['cpu']}, {machine['cores']} cores",
            "memory": f"{machine['memory_gb']:g} GiB",
            "system": machine["system"],
            "software": f"Python {machine['python']}, {packages}",
            "command": f"`{machine['command']}`, {machine['date']}",
        }
        parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
    return "\n\n".join(parts) or NOT_RUN


def render_claims(results: Results) -> str:
    """Renders the ratios beside their aims."""
    claims = find_claims(results)
    return table(["ratio", "measured", "aim", "reached"], map(_claim_line, claims)) if claims else NOT_RUN


def _claim_line(claim: Claim) -> list[str]:
    write = percent if claim.name == "input_wait_share" else number
    if claim.aim is None:
        return [claim.what, write(claim.value), "", ""]
    bound = "at most" if claim.at_most else "at least"
    return [claim.what, write(claim.value), f"{bound} {write(claim.aim)}", "yes" if claim.is_met else "**no**"]


def render_rates(results: Results) -> str:
    """Renders the rates of reading."""
    parts = []
    rows = results.table("rates")
    if rows:
        lines = [[row.name, number(row.info["items_a_second"]), _ratios(row)] for row in rows]
        parts.append(table(["row", "a second", "of"], lines))
        decoder = next((row.info["decoder"] for row in rows if "decoder" in row.info), "")
        size = f"{rows[0].info['num_images']:,} images, batches of 64; {medians(len(rows[0].wall_rounds))}."
        parts.append(f"{size} Bare decode: {decoder}, a thread for each core." if decoder else size)
        parts.append("![Rates](benchmarks/rates.png)")
    return "\n\n".join(parts) or NOT_RUN


def _ratios(row: Row) -> str:
    return ", ".join(
        f"{name.split('_of_')[-1].replace('_', ' ')}: {number(value)}" for name, value in row.info["ratios"].items()
    )


def render_deliverables(results: Results) -> str:
    """Renders the chapter's reader beside ours on the same photographs."""
    rows = results.table("deliverables")
    if not rows:
        return NOT_RUN
    lines = [
        [row.name, number(row.info["items_a_second"]), times(next(iter(row.info["ratios"].values())))] for row in rows
    ]
    info = rows[0].info
    size = f"{info['num_photographs']} photographs"
    told = (
        f"{size}; the chapter's ways read them {info['num_epochs']} times, ours as often "
        f"as fills a round; batches of {info['batch_size']}; {medians(len(rows[0].wall_rounds))}. "
        f"The chapter's best here: “{info['chapters_best']}”."
    )
    picture = "![The chapter's reader and ours](benchmarks/deliverables.png)"
    return "\n\n".join([table(["row", "images a second", "of the chapter's best"], lines), told, picture])


def render_startup(results: Results) -> str:
    """Renders seconds and memory of a process that has just started."""
    rows = results.table("start-up")
    if not rows:
        return NOT_RUN
    names = ("import_seconds", "load_seconds", "first_batch_seconds", "before_mb", "first_batch_mb", "peak_mb")
    header = ["row", "import s", "load s", "first batch s", "before MB", "first batch MB", "peak MB"]
    return table(header, [[row.name, *(number(row.info[name]) for name in names)] for row in rows])


def render_scaling(results: Results) -> str:
    """Renders the rates of several workers."""
    rows = results.table("scaling")
    if not rows:
        return NOT_RUN
    lines = [
        [
            row.name,
            number(row.info["items_a_second"]),
            times(row.info["ratios"]["workers_of_one_worker"]),
            percent(row.info["ratios"]["of_perfect_scaling"]),
        ]
        for row in rows
    ]
    return table(["row", "images a second", "of one worker", "of perfect scaling"], lines)


def render_input_wait(results: Results) -> str:
    """Renders what share of a training step is waiting."""
    rows = results.table("input wait")
    if not rows:
        return NOT_RUN
    lines = [
        [row.name, str(row.info["batch_size"]), number(row.info["step_seconds"]), percent(row.info["input_wait_share"])]
        for row in rows
    ]
    parts = [
        table(["row", "batch", "step s", "waiting for input"], lines),
        f"Model: {rows[0].info['model']}, frozen, and a head.",
    ]
    return "\n\n".join(parts)


def render_etl(results: Results) -> str:
    """Renders the ETL's cost: beside a bare loop, beside the chapter's way, by size, by stage."""
    parts = []
    chapters = next((row.info["images_a_second"] for row in results.table(_CHAPTERS_WAY)), None)
    if rows := results.table(_BARE):
        header = ["variant", "images a second", "bare loop", "of the bare loop"]
        lines = []
        for row in rows:
            info = row.info
            rates = [
                number(info["images_a_second"]),
                number(info["bare_images_a_second"]),
                number(info["of_bare_loop"]),
            ]
            lines.append([row.name, *rates, *([times(info["images_a_second"] / chapters)] if chapters else [])])
        parts.append(table([*header, *(["of the chapter's way"] if chapters else [])], lines))
        parts.append(f"{rows[0].info['num_images']:,} images; {medians(len(rows[0].info['of_bare_loop_rounds']))}.")
    if chapters:
        parts.append(f"The chapter's way writes {number(chapters)} images a second.")
    if rows := results.table(_MEMORY):
        sizes = list(rows[0].info["peak_mb"])
        header = ["variant", *(f"peak MB at {size}" for size in sizes), "8x of 1x", "ms an image beyond 1x"]
        lines = [
            [
                row.name,
                *(number(row.info["peak_mb"][size]) for size in sizes),
                number(row.info["peak_8x_of_1x"]),
                number(row.info["ms_an_image_beyond_1x"]),
            ]
            for row in rows
        ]
        parts += [table(header, lines), "![Peak memory by size](benchmarks/etl_memory_and_cost_by_size.png)"]
    if rows := results.table(_STAGES):
        stages = list(dict.fromkeys(stage for row in rows for stage in row.info["share"]))
        header = ["variant", "ms an image, one thread", *stages]
        lines = [
            [row.name, number(row.info["ms_an_image"]), *(percent(row.info["share"].get(stage, 0)) for stage in stages)]
            for row in rows
        ]
        parts += [table(header, lines), "![Share of time by stage](benchmarks/etl_share_by_stage.png)"]
    return "\n\n".join(parts) or NOT_RUN


def render_serving(results: Results) -> str:
    """Renders how fast the exported model answers, by batch size."""
    rows = results.table("serving")
    if not rows:
        return NOT_RUN
    names = ("items_a_second", "p50_ms", "p99_ms")
    header = ["a call", "photographs a second", "p50 ms", "p99 ms", "calls"]
    lines = [[row.name, *(number(row.info[name]) for name in names), f"{row.info['num_calls']:,}"] for row in rows]
    return "\n\n".join(
        [
            table(header, lines),
            f"Model: {rows[0].info['model']}; whole JPEG files in, {medians(len(rows[0].wall_rounds))} for the rates, "
            "the calls of all rounds for the percentiles.",
        ]
    )
