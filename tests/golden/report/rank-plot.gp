mokao_terminal = 'svg'
mokao_output = 'picture'
bars_title = '模型排名'
bars_subtitle = '3 项能力, 36 题;须线:95% 区间,括号:名次区间'
bars_domestic = '国内模型'
bars_foreign = '国外模型'
bars_n = 3
bars_from = 0
bars_name_width = 10
# Leaderboard: a horizontal bar a model, best on top, whiskers for the interval.
# Variables: mokao_terminal, bars_title, bars_subtitle, bars_domestic,
#   bars_foreign (legend), bars_n (rows), bars_from (start of the axis),
#   bars_name_width (cells of the longest name).
# data.tsv: name, score, low, high, 1 domestic / 0 foreign, label at the end.
set terminal @mokao_terminal size 960, 190 + 36 * bars_n \
    font 'Noto Sans CJK SC,12' noenhanced background rgb 'white'
set output mokao_output
set encoding utf8
set datafile separator "\t"

set title bars_title . "\n" . bars_subtitle font ',14' offset 0, 0.3
set lmargin bars_name_width + 3
set rmargin 4
set tmargin 4.5
set bmargin 4.5
set border 1 lc rgb '#999999'
set grid xtics back lt 1 lc rgb '#d8d8d8' lw 1
set tics scale 0
set xrange [bars_from : 100 + 0.12 * (100 - bars_from)]
set xtics bars_from, 10, 100 textcolor rgb '#666666'
set ytics textcolor rgb '#222222'
set yrange [bars_n - 0.4 : -0.6]
set key at screen 0.5, screen 0 center bottom horizontal samplen 1 \
    width 2 textcolor rgb '#444444'
set style fill solid 1 noborder

color(domestic) = domestic == 1 ? 0x5586F0 : 0xFF8C00
plot 'data.tsv' using (bars_from):0:(bars_from):2:($0 - 0.33):($0 + 0.33) \
        :(color($5)):ytic(1) with boxxyerror lc rgb variable notitle, \
    '' using 2:0:3:4 with xerrorbars lc rgb '#333333' lw 1.4 pt -1 notitle, \
    '' using ($4 + 0.008 * (100 - bars_from)):0:6 with labels left \
        textcolor rgb '#333333' notitle, \
    keyentry with boxes fc rgb '#5586F0' title bars_domestic, \
    keyentry with boxes fc rgb '#FF8C00' title bars_foreign
