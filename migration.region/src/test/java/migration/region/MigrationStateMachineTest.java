package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.pci.api.device.MigrationState.ERROR;
import static vfio.pci.api.device.MigrationState.PRE_COPY;
import static vfio.pci.api.device.MigrationState.PRE_COPY_P2P;
import static vfio.pci.api.device.MigrationState.RESUMING;
import static vfio.pci.api.device.MigrationState.RUNNING;
import static vfio.pci.api.device.MigrationState.RUNNING_P2P;
import static vfio.pci.api.device.MigrationState.STOP;
import static vfio.pci.api.device.MigrationState.STOP_COPY;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;

class MigrationStateMachineTest {
    /** Columns of {@link #NEXT}. */
    private static final List<MigrationState> TARGETS =
            List.of(STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P);

    /**
     * From each state, the next one on the way to each target, as in the table of Linux {@code drivers/vfio/vfio_main.c},
     * function {@code vfio_mig_get_next_state}; ERROR where there is no way.
     */
    private static final Map<MigrationState, List<MigrationState>> NEXT = Map.of(
            STOP, List.of(STOP, RUNNING_P2P, STOP_COPY, RESUMING, RUNNING_P2P, RUNNING_P2P, RUNNING_P2P),
            RUNNING, List.of(RUNNING_P2P, RUNNING, RUNNING_P2P, RUNNING_P2P, RUNNING_P2P, PRE_COPY, RUNNING_P2P),
            PRE_COPY, List.of(RUNNING, RUNNING, PRE_COPY_P2P, RUNNING, RUNNING, PRE_COPY, PRE_COPY_P2P),
            PRE_COPY_P2P,
                    List.of(RUNNING_P2P, RUNNING_P2P, STOP_COPY, RUNNING_P2P, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P),
            STOP_COPY, List.of(STOP, STOP, STOP_COPY, STOP, STOP, ERROR, ERROR),
            RESUMING, List.of(STOP, STOP, STOP, RESUMING, STOP, STOP, STOP),
            RUNNING_P2P, List.of(STOP, RUNNING, STOP, STOP, RUNNING_P2P, RUNNING, PRE_COPY_P2P),
            ERROR, List.of(ERROR, ERROR, ERROR, ERROR, ERROR, ERROR, ERROR));

    private final List<String> taken = new ArrayList<>();

    static Stream<Arguments> everyCell() {
        return Arrays.stream(MigrationState.values())
                .flatMap(from -> TARGETS.stream().map(to -> Arguments.of(from, to)));
    }

    @ParameterizedTest
    @MethodSource("everyCell")
    void firstStepIsThatOfLinux(MigrationState from, MigrationState to) {
        MigrationState next = NEXT.get(from).get(TARGETS.indexOf(to));
        List<MigrationArc> path = MigrationArc.path(from, to);
        if (from == to || next == ERROR) {
            assertThat(path).isEmpty();
        } else {
            assertThat(path.get(0).to()).isEqualTo(next);
            assertThat(path.get(path.size() - 1).to()).isEqualTo(to);
        }
    }

    @ParameterizedTest
    @MethodSource("everyCell")
    void eachStepIsTakenOnTheWay(MigrationState from, MigrationState to) {
        MigrationStateMachine machine = in(from, true, true);
        List<String> expected = new ArrayList<>();
        MigrationState at = from;
        while (at != to && at != ERROR) {
            MigrationState next = NEXT.get(at).get(TARGETS.indexOf(to));
            if (next != ERROR) {
                expected.add(at + ">" + next);
            }
            at = next;
        }
        if (at == ERROR) {
            assertRefused(machine, to);
            assertThat(taken).isEmpty();
            assertThat(machine.state()).isEqualTo(from);
        } else {
            machine.request(to);
            assertThat(taken).isEqualTo(expected);
            assertThat(machine.state()).isEqualTo(to);
        }
    }

    /** As vfio-user has it. */
    @ParameterizedTest
    @MethodSource("everyCell")
    void statesThatTheDeviceHasNotAreLeftOut(MigrationState from, MigrationState to) {
        if (!from.isSupported(true, false)) {
            return;
        }
        MigrationStateMachine machine = in(from, true, false);
        if (!to.isSupported(true, false)
                || (from != to && MigrationArc.path(from, to).isEmpty())) {
            assertRefused(machine, to);
            assertThat(taken).isEmpty();
        } else {
            machine.request(to);
            assertThat(machine.state()).isEqualTo(to);
            assertThat(String.join(" ", taken)).doesNotContain("P2P");
        }
    }

    @Test
    void deviceWithoutEitherGoesDirectly() {
        MigrationStateMachine machine = in(RUNNING, false, false);
        assertRefused(machine, PRE_COPY);
        machine.request(STOP_COPY);
        machine.request(RUNNING);
        assertThat(taken).containsExactly("RUNNING>STOP", "STOP>STOP_COPY", "STOP_COPY>STOP", "STOP>RUNNING");
    }

    @ParameterizedTest
    @MethodSource("everyCell")
    void errorCannotBeAskedForAndIsLeftByReset(MigrationState from, MigrationState to) {
        MigrationStateMachine machine = in(from, true, true);
        assertRefused(machine, ERROR);
        machine.reset();
        assertThat(machine.state()).isEqualTo(RUNNING);
    }

    @Test
    void deviceStaysWhereAStepFailed() {
        MigrationStateMachine machine = new MigrationStateMachine(true, true, (from, to) -> {
            if (to == STOP) {
                throw new VfioException(Errno.EBUSY, "not now");
            }
        });
        assertThatThrownBy(() -> machine.request(STOP_COPY)).hasMessage("not now");
        assertThat(machine.state()).isEqualTo(RUNNING_P2P);
        machine.request(RUNNING);
    }

    @Test
    void errorIsLeftByResetOnly() {
        MigrationStateMachine machine = in(ERROR, true, false);
        for (MigrationState target : TARGETS) {
            assertRefused(machine, target);
        }
        machine.reset();
        machine.request(STOP);
        assertThat(machine.state()).isEqualTo(STOP);
    }

    @Test
    void numbersAreThoseOfLinux() {
        assertThat(Stream.of(0, 1, 2, 3, 4, 5, 6, 7)
                        .map(number -> MigrationState.of(number).orElseThrow()))
                .containsExactly(ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P);
        assertThat(MigrationState.of(8)).isEmpty();
        assertThat(MigrationState.of(-1)).isEmpty();
    }

    /** A machine that has been led to a state; what it takes from then on is written down. */
    private MigrationStateMachine in(MigrationState state, boolean preCopy, boolean peerToPeer) {
        MigrationStateMachine machine =
                new MigrationStateMachine(preCopy, peerToPeer, (from, to) -> taken.add(from + ">" + to));
        if (state == ERROR) {
            machine.fail();
        } else {
            machine.request(state);
        }
        taken.clear();
        return machine;
    }

    private static void assertRefused(MigrationStateMachine machine, MigrationState target) {
        assertThatThrownBy(() -> machine.request(target))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }
}
