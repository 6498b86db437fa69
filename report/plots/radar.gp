# Radar: an axis an ability, from the right counter-clockwise, rings at 20 ...
# 100, one closed polygon a model.
# Variables: mokao_terminal, radar_title, radar_subtitle, radar_n (models),
#   radar_name_width (cells of the longest name).
# data.tsv, blocks parted by two empty lines: first the axes (x, y of the unit
# vector, ability; the first one again at the end), then a block a model: its
# name in a line of its own, then x, y of each corner; the first one again.
radar_width = 950 + 10.0 * radar_name_width
set terminal @mokao_terminal size radar_width, 740 \
    font 'Noto Sans CJK SC,12' noenhanced background rgb 'white'
set output mokao_output
set encoding utf8
set datafile separator "\t"

set title radar_title . "\n" . radar_subtitle font ',14' offset 0, 0.5
set size ratio -1
set lmargin at screen 150 / radar_width
set rmargin at screen 730 / radar_width
set tmargin at screen 0.85
set bmargin at screen 0.06
unset border
unset tics
set xrange [-112 : 112]
set yrange [-112 : 112]
set key at screen 880 / radar_width, screen 0.5 left center vertical Left reverse \
    samplen 2 spacing 1.4 textcolor rgb '#333333'
set style fill transparent solid 0.05 noborder
set linetype 1 lc rgb '#5586F0' pt 7
set linetype 2 lc rgb '#FF8C00' pt 5
set linetype 3 lc rgb '#2CA02C' pt 9
set linetype 4 lc rgb '#D62728' pt 11
set linetype 5 lc rgb '#9467BD' pt 13
set linetype 6 lc rgb '#8C564B' pt 15
set linetype 7 lc rgb '#17BECF' pt 6
do for [ring = 20 : 100 : 20] {
    set label sprintf('%d', ring) at 1.5, ring + 2.5 left front \
        font ',9' textcolor rgb '#888888'
}

plot for [ring = 20 : 100 : 20] 'data.tsv' index 0 \
        using (ring * $1):(ring * $2) with lines lc rgb '#dddddd' notitle, \
    '' index 0 using (0):(0):(100 * $1):(100 * $2) with vectors nohead \
        lc rgb '#dddddd' notitle, \
    '' index 0 every ::1 using ($1 > 0.1 ? 106 * $1 : NaN):(106 * $2):3 \
        with labels left notitle, \
    '' index 0 every ::1 using ($1 < -0.1 ? 106 * $1 : NaN):(106 * $2):3 \
        with labels right notitle, \
    '' index 0 every ::1 using (abs($1) <= 0.1 ? 106 * $1 : NaN):(108 * $2):3 \
        with labels center notitle, \
    for [i = 1 : radar_n] '' index i using 1:2 with filledcurves closed \
        lt i notitle, \
    for [i = 1 : radar_n] '' index i using 1:2 with linespoints lt i lw 2 \
        ps 0.9 title columnheader(1)
