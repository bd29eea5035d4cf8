package vfio.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class SamplesTest {

    @Test
    void percentileIsAMeasuredValue() {
        long[] values = {40, 10, 30, 20};
        assertThat(Samples.percentile(values, 0.25)).isEqualTo(10);
        assertThat(Samples.percentile(values, 0.5)).isEqualTo(20);
        assertThat(Samples.percentile(values, 0.51)).isEqualTo(30);
        assertThat(Samples.percentile(values, 0.99)).isEqualTo(40);
        assertThat(Samples.percentile(values, 1)).isEqualTo(40);
        assertThat(values).containsExactly(40, 10, 30, 20);
    }

    @Test
    void seriesAddUp() {
        Samples samples = new Samples();
        samples.add(new long[] {3_000, 1_000});
        samples.add(new long[] {2_000});
        assertThat(samples.micros(0.5)).isEqualTo(2);
        assertThat(samples.micros(1)).isEqualTo(3);
    }

    @Test
    void medianIsTheMiddle() {
        assertThat(Samples.median(5, 1, 3)).isEqualTo(3);
        assertThat(Samples.median(4, 1, 3, 2)).isEqualTo(2);
    }

    @Test
    void nothingHasNoPercentile() {
        assertThatIllegalArgumentException().isThrownBy(() -> Samples.median());
        assertThatIllegalArgumentException().isThrownBy(() -> new Samples().micros(0.5));
        assertThatIllegalArgumentException().isThrownBy(() -> Samples.percentile(new long[] {1}, 0));
    }
}
