mokao_terminal = 'svg'
mokao_output = 'picture'
scatter_title = '得分与费用'
scatter_x = '每千题费用 (元)'
scatter_y = '得分'
scatter_front = '前沿'
scatter_domestic = '国内模型'
scatter_foreign = '国外模型'
scatter_log = 1
# Score over cost: a point a model, whiskers for the interval, the front as steps.
# Variables: mokao_terminal, scatter_title, scatter_x, scatter_y, scatter_front,
#   scatter_domestic, scatter_foreign (legend), scatter_log (1: x is logarithmic).
# data.tsv, block 0: name, cost, score, low, high, 1 domestic / 0 foreign, 1 front;
#   block 1: -, cost, score of the front, cheapest first.
set terminal @mokao_terminal size 960, 640 \
    font 'Noto Sans CJK SC,12' noenhanced background rgb 'white'
set output mokao_output
set encoding utf8
set datafile separator "\t"

set title scatter_title font ',14'
set lmargin 9
set rmargin 12
set border 3 lc rgb '#999999'
set grid back lt 1 lc rgb '#d8d8d8' lw 1
set tics nomirror scale 0.4 textcolor rgb '#666666'
set xlabel scatter_x textcolor rgb '#444444'
set ylabel scatter_y textcolor rgb '#444444'
set format x '%g'
if (scatter_log) set logscale x
if (!scatter_log) set xrange [0:*]
set yrange [0:100]
set offsets graph 0.05, graph 0.12, 0, 0
set key bottom right samplen 2 textcolor rgb '#444444'

color(domestic) = domestic == 1 ? 0x5586F0 : 0xFF8C00
plot 'data.tsv' index 1 using 2:3 with steps lc rgb '#bbbbbb' lw 2 \
        title scatter_front, \
    '' index 0 using 2:3:4:5 with yerrorbars lc rgb '#999999' lw 1.2 pt -1 \
        notitle, \
    '' index 0 using 2:3:(color($6)) with points pt 7 ps 1.3 \
        lc rgb variable notitle, \
    '' index 0 using 2:3:1 with labels left offset 0.8, 0.6 \
        textcolor rgb '#333333' notitle, \
    keyentry with points pt 7 ps 1.3 lc rgb '#5586F0' title scatter_domestic, \
    keyentry with points pt 7 ps 1.3 lc rgb '#FF8C00' title scatter_foreign
