package vfio.shell;

import org.apache.felix.service.command.Converter;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;

/** Shows the results of our commands wherever Gogo prints or pipes them. */
@Component(
        immediate = true,
        property = {
            Converter.CONVERTER_CLASSES + "=vfio.shell.Listing",
            Converter.CONVERTER_CLASSES + "=vfio.shell.Rendered"
        })
public final class ResultConverter implements Converter {
    /** Nothing is converted: arguments of our commands are strings. */
    @Override
    public @Nullable Object convert(Class<?> desiredType, Object in) {
        return null;
    }

    @Override
    public @Nullable CharSequence format(Object target, int level, Converter escape) {
        if (!(target instanceof Rendered rendered)) {
            return null;
        }
        return switch (level) {
            case INSPECT -> rendered.inspect();
            case LINE -> rendered.line();
            default -> rendered.part();
        };
    }
}
