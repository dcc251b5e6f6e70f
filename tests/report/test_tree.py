from __future__ import annotations

from decimal import Decimal

from otel_agentperf.model import OperationKind
from otel_agentperf.report.tree import MAX_DEPTH, Step
from tests.report.runs import Story, recording


def find(step: Step, name: str) -> list[Step]:
    return [found for child in step.children for found in ([child] if child.name == name else []) + find(child, name)]


def test_what_a_step_spent_is_the_sum_over_everything_beneath_it() -> None:
    tree = recording().report().tree
    (web_agent,) = find(tree, "web_agent")
    assert web_agent.spend.cost_usd == Decimal("0.000798")
    assert (web_agent.spend.input_tokens, web_agent.spend.output_tokens) == (1200, 90)
    assert (tree.spend.priced_calls, tree.spend.unpriced_calls) == (5, 1)


def test_four_steps_of_one_name_in_a_row_become_one() -> None:
    (click,) = find(recording().report().tree, "click")
    assert (click.count, click.duration_ns) == (6, 2_400_000_000)


def test_three_steps_of_one_name_stay_three() -> None:
    story = Story()
    for start in range(3):
        story.node("a", start, start + 1)
    assert [step.count for step in story.report().tree.children] == [1, 1, 1]


def test_parallel_steps_in_a_fold_take_as_long_as_one_of_them_ran() -> None:
    story = Story()
    for index in range(5):
        worker = story.node("worker", 1, 3)
        story.model("m", worker, 1, 2 + index / 10)
    (worker,) = story.report().tree.children
    assert (worker.count, worker.duration_ns) == (5, 2_000_000_000)
    (model,) = worker.children
    assert (model.count, model.duration_ns, model.spend.requests) == (5, 1_400_000_000, 5)


def test_errors_in_a_fold_are_counted() -> None:
    story = Story()
    agent = story.node("a", 0, 9)
    for index in range(6):
        story.tool("click", agent, index, index + 1, error_type="TimeoutError" if index in (1, 4) else None)
    (click,) = find(story.report().tree, "click")
    assert (click.count, click.errors, click.error_type) == (6, 2, "TimeoutError")


def test_work_that_another_span_reports_is_left_out_and_its_children_move_up() -> None:
    story = Story()
    agent = story.node("a", 0, 9)
    peer = story.add(OperationKind.INFERENCE, "peer", agent, 0, 9, counted=False)
    story.model("m", peer, 1, 2)
    (node,) = story.report().tree.children
    assert [step.name for step in node.children] == ["m"]


def test_steps_beyond_the_deepest_level_stand_beside_each_other() -> None:
    story = Story(end=1000)
    parent = story.root
    for depth in range(40):
        parent = story.node(f"n{depth}", depth, 1000, parent)
    tree = story.report().tree
    assert tree.operations == 41

    def deepest(step: Step) -> int:
        return 1 + max(map(deepest, step.children), default=0)

    assert deepest(tree) == MAX_DEPTH + 1


def test_siblings_stand_in_order_of_start() -> None:
    story = Story()
    story.node("second", 2, 3)
    story.node("first", 1, 9)
    assert [step.name for step in story.report().tree.children] == ["first", "second"]
