import ij.CompositeImage;
import ij.IJ;
import ij.ImagePlus;
import ij.io.FileSaver;
import ij.io.Opener;
import ij.measure.Calibration;
import ij.process.ColorProcessor;
import ij.process.ImageProcessor;
import ij.process.LUT;
import java.awt.Color;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.zip.CRC32;
import loci.common.services.ServiceFactory;
import loci.formats.ChannelSeparator;
import loci.formats.FormatTools;
import loci.formats.ome.OMEXMLMetadata;
import loci.formats.services.OMEXMLService;
import ome.units.UNITS;
import ome.units.quantity.Length;

/** What Bio-Formats and ImageJ read in a file, a line a property; used by scripts/round_trips.py. */
class OtherReaders {
    public static void main(String[] words) throws Exception {
        loci.common.DebugTools.setRootLevel("ERROR");
        switch (words[0]) {
            case "Bio-Formats" -> bioFormats(words[1], Integer.parseInt(words[2]));
            case "ImageJ" -> imageJ(words[1], Integer.parseInt(words[2]));
            case "hyperstack" -> hyperstack(words[1]);
            case "colours" -> colours(words[1]);
            case "floats" -> floats(words[1]);
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    static void bioFormats(String path, int every) throws Exception {
        OMEXMLMetadata told = new ServiceFactory().getInstance(OMEXMLService.class).createOMEXMLMetadata();
        try (ChannelSeparator reader = new ChannelSeparator()) { // each plane holds one colour
            reader.setMetadataStore(told);
            reader.setId(path);
            say("size", dimensions(reader.getSizeX(), reader.getSizeY(), reader.getSizeZ(), reader.getSizeC(), reader.getSizeT()));
            say("type", FormatTools.getPixelTypeString(reader.getPixelType()));
            say("spacing", length(told.getPixelsPhysicalSizeX(0)), length(told.getPixelsPhysicalSizeY(0)), length(told.getPixelsPhysicalSizeZ(0)));
            var step = told.getPixelsTimeIncrement(0);
            say("time step", step == null ? "none" : number(step.value(UNITS.SECOND).doubleValue()) + " s");
            for (int c = 0; c < told.getChannelCount(0); c++) {
                var colour = told.getChannelColor(0, c);
                say("channel", told.getChannelName(0, c), colour == null ? "none" : hex(colour.getRed(), colour.getGreen(), colour.getBlue()));
            }
            int size = FormatTools.getBytesPerPixel(reader.getPixelType());
            CRC32 all = new CRC32(), some = new CRC32();
            for (int t = 0; t < reader.getSizeT(); t++)
                for (int c = 0; c < reader.getSizeC(); c++)
                    for (int z = 0; z < reader.getSizeZ(); z++) {
                        byte[] plane = little(reader.openBytes(reader.getIndex(z, c, t)), size, reader.isLittleEndian());
                        all.update(plane);
                        if (z % every == 0) some.update(plane);
                    }
            say("values", Long.toHexString(all.getValue()), Long.toHexString(some.getValue()));
        }
    }

    static byte[] little(byte[] bytes, int size, boolean already) {
        if (already || size == 1) return bytes;
        byte[] turned = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) turned[i] = bytes[i - i % size + size - 1 - i % size];
        return turned;
    }

    static void imageJ(String path, int every) {
        ImagePlus image = new Opener().openImage(path);
        int colours = image.getType() == ImagePlus.COLOR_RGB ? 3 : 0, channels = Math.max(colours, image.getNChannels());
        say("size", dimensions(image.getWidth(), image.getHeight(), image.getNSlices(), channels, image.getNFrames()));
        say("type", switch (image.getBitDepth()) { case 16 -> "uint16"; case 32 -> "float"; default -> "uint8"; });
        Calibration told = image.getCalibration();
        String unit = " " + told.getUnit();
        say("spacing", number(told.pixelWidth) + unit, number(told.pixelHeight) + unit, number(told.pixelDepth) + unit);
        say("time step", told.frameInterval == 0 ? "none" : number(told.frameInterval) + " " + told.getTimeUnit());
        for (int c = 1; c <= image.getNChannels() && colours == 0; c++) {
            LUT lut = image instanceof CompositeImage several ? several.getChannelLut(c) : image.getProcessor().getLut();
            int rgb = lut == null ? 0xffffff : lut.getRGB(255);
            image.setPositionWithoutUpdate(c, 1, 1);
            String label = image.getStack().getSliceLabel(image.getStackIndex(c, 1, 1));
            say("channel", label, hex(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255));
        }
        CRC32 all = new CRC32(), some = new CRC32();
        for (int t = 1; t <= image.getNFrames(); t++)
            for (int c = 1; c <= Math.max(image.getNChannels(), colours); c++)
                for (int z = 1; z <= image.getNSlices(); z++) {
                    Object pixels = image.getStack().getPixels(image.getStackIndex(colours > 0 ? 1 : c, z, t));
                    byte[] plane = colours > 0 ? colour((int[]) pixels, c) : bytes(pixels);
                    all.update(plane);
                    if ((z - 1) % every == 0) some.update(plane);
                }
        say("values", Long.toHexString(all.getValue()), Long.toHexString(some.getValue()));
    }

    static byte[] colour(int[] pixels, int number) {
        byte[] made = new byte[pixels.length];
        for (int p = 0; p < pixels.length; p++) made[p] = (byte) (pixels[p] >> 8 * (3 - number));
        return made;
    }

    static byte[] bytes(Object pixels) {
        if (pixels instanceof byte[] given) return given;
        if (pixels instanceof short[] given) {
            ByteBuffer made = ByteBuffer.allocate(2 * given.length).order(ByteOrder.LITTLE_ENDIAN);
            made.asShortBuffer().put(given);
            return made.array();
        }
        float[] given = (float[]) pixels;
        ByteBuffer made = ByteBuffer.allocate(4 * given.length).order(ByteOrder.LITTLE_ENDIAN);
        made.asFloatBuffer().put(given);
        return made.array();
    }

    /** Two channels in two colours, five sections, three time points. */
    static void hyperstack(String path) {
        ImagePlus image = IJ.createHyperStack("source", 40, 36, 2, 5, 3, 16);
        for (int i = 1; i <= image.getStackSize(); i++) {
            fill(image.getStack().getProcessor(i), 1000 + 37 * i);
            image.getStack().setSliceLabel(i % 2 == 1 ? "DAPI" : "GFP", i);
        }
        calibrate(image).frameInterval = 30;
        CompositeImage coloured = new CompositeImage(image, IJ.COMPOSITE);
        coloured.setChannelLut(LUT.createLutFromColor(Color.green), 1);
        coloured.setChannelLut(LUT.createLutFromColor(Color.magenta), 2);
        new FileSaver(coloured).saveAsTiffStack(path);
    }

    /** Sections of red, green and blue. */
    static void colours(String path) {
        ImagePlus image = IJ.createImage("source", "RGB", 40, 36, 5);
        for (int i = 1; i <= 5; i++) fill(image.getStack().getProcessor(i), 0x102030 * i);
        calibrate(image);
        new FileSaver(image).saveAsTiffStack(path);
    }

    /** Real values, some below zero. */
    static void floats(String path) {
        ImagePlus image = IJ.createImage("source", "32-bit", 40, 36, 5);
        for (int i = 1; i <= 5; i++) fill(image.getStack().getProcessor(i), -40 * i);
        calibrate(image);
        new FileSaver(image).saveAsTiffStack(path);
    }

    static void fill(ImageProcessor pixels, int first) {
        for (int p = 0; p < pixels.getPixelCount(); p++) pixels.setf(p, first + 5 * (p % 40) + 3 * (p / 40));
        if (pixels instanceof ColorProcessor colours)
            for (int p = 0; p < pixels.getPixelCount(); p++) colours.set(p, first + 0x30201 * (p % 40 + p / 40));
    }

    static Calibration calibrate(ImagePlus image) {
        Calibration given = image.getCalibration();
        given.pixelWidth = given.pixelHeight = 0.25;
        given.pixelDepth = 2;
        given.setUnit("micron");
        given.setTimeUnit("sec");
        return given;
    }

    static String dimensions(int x, int y, int z, int c, int t) {
        return String.format("%d, %d, %d, %d, %d", x, y, z, c, t);
    }

    static String length(Length value) {
        return value == null ? "none" : number(value.value().doubleValue()) + " " + value.unit().getSymbol();
    }

    static String number(double value) {
        return String.format(Locale.ROOT, "%.6g", value).replaceAll("\\.?0+$", "");
    }

    static String hex(int red, int green, int blue) {
        return String.format("#%02x%02x%02x", red, green, blue);
    }

    static void say(String name, Object... values) {
        StringBuilder line = new StringBuilder(name);
        for (Object value : values) line.append('\t').append(value);
        System.out.println(line);
    }
}
