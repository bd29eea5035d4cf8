package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A peer that truncates its file costs itself its memory, and the process nothing. */
@Timeout(value = 90, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TruncationTest {
    @ParameterizedTest
    @ValueSource(strings = {"-XX:+TieredCompilation", "-Xint", "-XX:TieredStopAtLevel=1", "-XX:-TieredCompilation"})
    void failsInTheAccessItself(String option) throws Exception {
        ChildJvm child = ChildJvm.run(TruncationProgram.class, List.of(option));
        assertThat(child.exitCode()).as(child.output()).isZero();
        assertThat(child.output()).contains("survived");
    }
}
