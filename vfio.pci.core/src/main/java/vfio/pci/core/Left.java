package vfio.pci.core;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.mediate.HandOverState;

/**
 * What a mediation left behind, for whoever succeeds it.
 *
 * @param from the driver; null if the device was passed through
 * @param state what the successor must know
 * @param deadline runs since the gate was held
 * @param patience how long accesses may be held for a successor
 * @param verdicts of those that were asked to succeed, so far
 * @param cancel stops the clock, if one runs
 */
record Left(
        @Nullable Mediator from,
        Optional<HandOverState> state,
        Deadline deadline,
        Duration patience,
        List<Verdict> verdicts,
        Runnable cancel) {
    Left(@Nullable Mediator from, Optional<HandOverState> state, Deadline deadline) {
        this(from, state, deadline, Duration.ZERO, new ArrayList<>(), () -> {});
    }

    Left waiting(Duration allowed, Runnable canceller) {
        return new Left(from, state, deadline, allowed, verdicts, canceller);
    }

    boolean isOver() {
        return deadline.elapsed().compareTo(patience) >= 0;
    }

    String name() {
        return from == null ? "the device underneath" : from.name();
    }
}
