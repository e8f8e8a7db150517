"""Runs a compiled workflow on this machine, from its file to its result."""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.errors import PipelineError, RunError
from orchestration.local import metadata_session, run_record
from orchestration.local.display import Display
from orchestration.local.executor import Executor
from orchestration.local.logs import last_lines
from orchestration.local.output_owner import claim_outputs
from orchestration.local.plan import Plan, RunOptions, make_plan, resume_plan
from orchestration.local.run_record import RunRecord, Runs
from orchestration.local.run_result import run_result
from orchestration.local.step_launcher import StepLauncher
from orchestration.local.warm_host import TFX_MODULES
from orchestration.metadata_client import connect
from orchestration.package import read_package
from orchestration.workflow import TFX_ENTRY_POINTS

#: What is called with the record at a run's end, however it ends.
Report = Callable[[RunRecord], None]

_PAGE_SECONDS = 120.0

#: How many lines of a failed step's log are shown.
_LOG_LINES = 15


def run(
    options: RunOptions, console: Console, report: Report, page: pathlib.Path | None = None
) -> None:
    """Runs a workflow.

    Args:
        options: What to run, and how.
        console: Where to show how it goes.
        report: Is called with the record at the run's end, unless it was refused.
        page: HTML file to write the run's report to.

    Raises:
        PipelineError: If the workflow is refused, or the run has failed.
        KeyboardInterrupt: If the user has interrupted the run.
    """
    package = read_package(options.package)
    with StepLauncher(_modules(package.text)) as launcher:
        plan = make_plan(options, package)
        _go(plan, options.home, console, report, launcher, page)


def resume(run_id: str, home: pathlib.Path, console: Console, report: Report) -> None:
    """Runs again what has not succeeded in a run that failed or was interrupted.

    Args:
        run_id: The run.
        home: Folder that keeps the runs.
        console: Where to show how it goes.
        report: Is called with the record at the run's end, unless it was refused.

    Raises:
        PipelineError: If there is nothing to resume, or the run has failed again.
        KeyboardInterrupt: If the user has interrupted the run.
    """
    folder = Runs(home).find(run_id)
    package = read_package(folder.workflow)
    with StepLauncher(_modules(package.text)) as launcher:
        plan = resume_plan(folder, package)
        _go(plan, home, console, report, launcher)


def _modules(text: str) -> Sequence[str]:
    """What the steps of a workflow import; known before it has been checked, to begin early."""
    return TFX_MODULES if any(module in text for module in TFX_ENTRY_POINTS) else ()


def resume_command(run_id: str, home: pathlib.Path) -> str:
    """Returns the command line that resumes a run, from any folder."""
    program = "complaint-pipeline"
    if shutil.which(program) is None:
        program = str(pathlib.Path(sys.executable).with_name(program))
    return shlex.join([program, "retry", run_id, "--home", str(home.absolute())])


def _go(
    plan: Plan,
    home: pathlib.Path,
    console: Console,
    report: Report,
    launcher: StepLauncher,
    page: pathlib.Path | None = None,
) -> None:
    """Runs the steps, and keeps and reports how it went, whatever happens."""
    record, folder = plan.record, plan.folder
    # gRPC would look for the metadata server on this machine by way of an http_proxy; the steps
    # inherit this.
    os.environ["no_grpc_proxy"] = "127.0.0.1,localhost,::1"  # noqa: SIM112 (gRPC's name)
    record.begin()
    folder.write(record)
    hint = f"resume with: {resume_command(record.id, home)}"
    state = run_record.FAILED
    page_line = None
    try:
        with _interrupted_by_signals():
            succeeded, page_line = _run_steps(plan, console, launcher, page)
        state = run_record.SUCCEEDED if succeeded else run_record.FAILED
    except KeyboardInterrupt:
        state = run_record.TERMINATED
        raise KeyboardInterrupt(hint) from None
    except PipelineError as error:
        raise type(error)(f"{error}\n{hint}") from error
    finally:
        _finish(plan, state, console)
        report(record)
        if page_line is not None:
            console.print(Text(page_line), soft_wrap=True)
    if not succeeded:
        _print_logs(plan, console)
        raise RunError(_failure(plan, hint))


def _run_steps(
    plan: Plan, console: Console, launcher: StepLauncher, page: pathlib.Path | None
) -> tuple[bool, str | None]:
    """Runs the steps; returns whether all have succeeded, and a line about the report."""
    record, folder = plan.record, plan.folder
    display = Display(console, plan.workflow)
    try:
        with metadata_session.serve(plan.target, plan.password, folder.host_log) as address:
            store = connect(address)
            folder.metadata_address.write_text(f"{address.authority}\n", encoding="utf-8")
            claim_outputs(plan, store)
            executor = Executor(
                workflow=plan.workflow,
                containers=plan.containers(address),
                record=record,
                folder=folder,
                launcher=launcher,
                store=store,
                observer=display,
            )
            with display:
                executor.run()
                record.result = run_result(plan.workflow, record, folder, store, launcher)
            page_line = None
            if page is not None:
                record.close(run_record.SUCCEEDED if executor.succeeded else run_record.FAILED)
                folder.write(record)
                page_line = _write_page(plan, launcher, page)
            return executor.succeeded, page_line
    finally:
        with contextlib.suppress(OSError):
            folder.metadata_address.unlink(missing_ok=True)
        # A full disk or a removed folder is told of by what the run itself could not write.
        with contextlib.suppress(OSError), folder.host_log.open("ab") as log:
            log.write(launcher.log())


def _write_page(plan: Plan, launcher: StepLauncher, page: pathlib.Path) -> str:
    """Writes the report in the process that has imported what reads the artifacts.

    Returns:
        A line that says where it is, or that it could not be written: no reason to fail the run.
    """
    home = plan.folder.path.parent.parent
    module = "orchestration.report.build"
    argv = ("python", "-m", module, str(home), plan.record.id, str(page.absolute()))
    launcher.launch("report", argv, os.environ, plan.folder.path, plan.folder.host_log)
    exited = launcher.wait_for("report", _PAGE_SECONDS)
    if exited is None or exited.code != 0:
        return f"warning: {page}: the report cannot be written; see {plan.folder.host_log}"
    return f"report: {page}"


def _finish(plan: Plan, state: str, console: Console) -> None:
    if plan.record.state == run_record.RUNNING:
        plan.record.close(state)
    try:
        plan.folder.write(plan.record)
    except RunError as error:
        if state == run_record.SUCCEEDED:
            raise
        # A full disk, which must not hide what the run has failed of.
        console.print(Text(str(error), style="yellow"), soft_wrap=True)
    finally:
        plan.folder.unlock()


def _print_logs(plan: Plan, console: Console) -> None:
    """Prints the last lines that each failed step has logged."""
    for step in plan.record.steps:
        if step.state == run_record.FAILED:
            console.rule(f"last lines of {step.name}", align="left", style="dim")
            for line in last_lines(plan.folder.log(step.name), _LOG_LINES):
                console.print(Text(line), soft_wrap=True)


def _failure(plan: Plan, hint: str) -> str:
    lines = [
        f"step {step.name} failed: {step.message}; its log is {plan.folder.log(step.name)}"
        for step in plan.record.steps
        if step.state == run_record.FAILED
    ]
    return "\n".join([*lines, hint])


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Lets SIGTERM (a service manager) and SIGHUP (a closed terminal) end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
        # nohup ignores SIGHUP on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
