package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.sim.xl710.InterruptControl.ICR01_ADMINQ;
import static vfio.sim.xl710.InterruptControl.ICR01_INTEVENT;
import static vfio.sim.xl710.InterruptControl.control;
import static vfio.sim.xl710.InterruptControl.throttle;

import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.sim.HeapMemory;

class InterruptControlTest {
    private final HeapMemory registers = new HeapMemory("BAR0", 0x10000);
    private final FakeVectors vectors = new FakeVectors();
    private final List<Integer> fired = vectors.fired;
    private final InterruptControl interrupts = new InterruptControl(registers, vectors);

    @Test
    void registersAreWhereTheDriverExpectsThem() {
        assertThat(control(0)).isEqualTo(0x5c00);
        assertThat(control(1)).isEqualTo(0x3800);
        assertThat(control(16)).isEqualTo(0x383c);
        assertThat(throttle(0, 1)).isEqualTo(0x4c04);
        assertThat(throttle(1, 0)).isEqualTo(0x2800);
        assertThat(throttle(3, 2)).isEqualTo(0x2888);
    }

    @Test
    void anEventWithoutEnableIsLatchedUntilEnabled() {
        interrupts.event(2);
        interrupts.event(2);
        assertThat(fired).isEmpty();
        interrupts.writeControl(2, 0x18);
        assertThat(fired).isEmpty();
        interrupts.writeControl(2, 0x19);
        assertThat(fired).containsExactly(2);
        assertThat(registers.getInt(control(2))).isEqualTo(0x18);
    }

    @Test
    void anEnabledVectorFiresOncePerEnable() {
        interrupts.writeControl(1, 0x19);
        assertThat(registers.getInt(control(1))).isEqualTo(0x19);
        interrupts.event(1);
        interrupts.event(1);
        assertThat(fired).containsExactly(1);
        interrupts.writeControl(1, 0x19);
        assertThat(fired).containsExactly(1, 1);
    }

    @Test
    void aCauseOfVector0FiresIfItIsEnabled() {
        interrupts.writeControl(0, 0x19);
        interrupts.writeEnables(ICR01_ADMINQ);
        interrupts.cause(ICR01_ADMINQ);

        assertThat(fired).containsExactly(0);
        assertThat(interrupts.takeCauses()).isEqualTo(ICR01_ADMINQ | ICR01_INTEVENT);
        assertThat(interrupts.takeCauses()).isZero();
    }

    @Test
    void aCauseThatIsNotEnabledWaitsForThat() {
        interrupts.writeControl(0, 0x19);
        interrupts.cause(ICR01_ADMINQ);
        assertThat(fired).isEmpty();

        interrupts.writeEnables(ICR01_ADMINQ);
        assertThat(fired).containsExactly(0);
    }

    @Test
    void aCauseThatHasBeenReadIsNoMoreWhenItIsEnabled() {
        interrupts.writeControl(0, 0x19);
        interrupts.cause(ICR01_ADMINQ);
        interrupts.takeCauses();
        interrupts.writeEnables(ICR01_ADMINQ);

        assertThat(fired).isEmpty();
    }

    @Test
    void aCauseIsLatchedWhileVector0IsNotEnabled() {
        interrupts.writeEnables(ICR01_ADMINQ);
        interrupts.cause(ICR01_ADMINQ);
        assertThat(fired).isEmpty();

        interrupts.writeControl(0, 0x19);
        assertThat(fired).containsExactly(0);
    }

    @Test
    void aResetForgetsEverything() {
        interrupts.writeEnables(ICR01_ADMINQ);
        interrupts.cause(ICR01_ADMINQ);
        interrupts.event(4);
        interrupts.reset();
        interrupts.writeControl(0, 0x19);
        interrupts.writeControl(4, 0x19);

        assertThat(fired).isEmpty();
        assertThat(interrupts.takeCauses()).isZero();
    }
}
